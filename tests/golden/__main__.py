"""Write all golden files anew, in a minute; what then differs is a change that has to be meant."""

from tests.golden import plans, runs

if __name__ == "__main__":
    plans.write()
    runs.write()
