"""Doing it: handing due messages to users on time, and watching how well this process keeps up."""
