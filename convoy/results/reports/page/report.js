"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const colours = () => dark.matches
    ? { ink: "#e8eaed", quiet: "#a3abb3", line: "#3a4148", paper: "#15181b",
        lines: ["#8ab4f8", "#6fce8f", "#f0b35c", "#ff9086", "#c9a6f5", "#6fd3d3", "#f2a3c8",
                "#c3cc6a", "#b0a08f", "#9fb3c8", "#7f8790"],
        heat: ["#1e2a3d", "#2f5d9e", "#6fa8f0", "#d6e6ff"] }
    : { ink: "#1c2024", quiet: "#5b636b", line: "#d9dde1", paper: "#ffffff",
        lines: ["#1f5fbf", "#17713a", "#b36200", "#b3261e", "#7440b8", "#0b7a7a", "#b03a78",
                "#6b7300", "#735f4a", "#4b647d", "#8a9199"],
        heat: ["#eaf1fb", "#a9c8f0", "#4a86d8", "#123a75"] };
  const plots = [];

  const clock = (seconds) => {
    const whole = Math.round(seconds);
    const two = (number) => String(number).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  };
  const short = (value) => Math.abs(value) >= 1000 ? value.toLocaleString("en", { notation: "compact" })
    : String(Number(value.toPrecision(4)));

  const base = (c) => ({
    animation: false,
    color: c.lines,
    textStyle: { color: c.ink, fontFamily: "system-ui, sans-serif" },
    grid: { left: 12, right: 24, top: 44, bottom: 8, containLabel: true },
    legend: { type: "scroll", top: 0, left: 0, textStyle: { color: c.ink }, icon: "roundRect",
      itemWidth: 14, itemHeight: 4, pageTextStyle: { color: c.ink } },
    // Drawn as text on the canvas, so that no name becomes markup.
    tooltip: { trigger: "axis", renderMode: "richText", confine: true, backgroundColor: c.paper,
      borderColor: c.line, textStyle: { color: c.ink, fontSize: 12 },
      valueFormatter: (value) => value == null ? "none" : short(Number(value)) },
  });
  const timeAxis = (c) => ({
    type: "value", min: 0, max: Math.max(1, data.durationS),
    axisLabel: { color: c.quiet, formatter: clock, hideOverlap: true },
    axisLine: { lineStyle: { color: c.line } }, splitLine: { show: false },
    axisPointer: { label: { formatter: ({ value }) => clock(value) } },
  });
  const valueAxis = (c, more = {}) => ({
    type: "value", min: 0, axisLabel: { color: c.quiet, formatter: short },
    splitLine: { lineStyle: { color: c.line } }, ...more,
  });
  const line = (name, points, more = {}) => ({
    name, type: "line", data: points, showSymbol: points.length < 3, symbolSize: 5,
    lineStyle: { width: 1.5 }, emphasis: { disabled: true }, ...more,
  });
  const marked = (c, series) => {
    if (series.length && data.marks.length) {
      series[0].markLine = {
        symbol: "none", silent: true, lineStyle: { color: c.quiet, type: "dashed" },
        label: { color: c.quiet, distance: 2, fontSize: 11 },
        data: data.marks.map(([at, name]) => ({ xAxis: at, name,
          label: { formatter: () => name, position: name.length > 3 ? "insideEndTop" : "end" } })),
      };
    }
    return series;
  };
  const overTime = (c, series, axes = [valueAxis(c)]) => ({
    ...base(c), xAxis: timeAxis(c), yAxis: axes, series: marked(c, series),
  });

  const options = {
    rate: (c) => {
      const { configured, achieved, late, notSent } = data.rate;
      const area = { areaStyle: { opacity: 0.35 }, lineStyle: { width: 1 } };
      const some = (points) => points.some(([, value]) => value > 0);
      return overTime(c, [
        ...(configured.length ? [line("configured", configured, { lineStyle: { width: 1.5, type: "dashed" } })] : []),
        line("sent", achieved),
        ...(some(late) ? [line("late", late, area)] : []),
        ...(some(notSent) ? [line("not sent", notSent, area)] : []),
      ]);
    },
    times: (c) => {
      const series = Object.entries(data.times).filter(([, points]) => points.length)
        .map(([name, points]) => line(name, points));
      const values = series.flatMap((each) => each.data.map(([, value]) => value));
      const wide = values.length && Math.max(...values) > 50 * Math.max(0.01, Math.min(...values));
      return series.length && overTime(c, series, [wide
        ? { ...valueAxis(c), type: "log", min: undefined } : valueAxis(c)]);
    },
    errors: (c) => data.errors.length && overTime(c, data.errors.map(([name, points]) =>
      line(name, points, { stack: "errors", areaStyle: { opacity: 0.6 }, lineStyle: { width: 0.5 } }))),
    load: (c) => {
      const { inFlight, users, cpu } = data.load;
      const right = valueAxis(c, { max: 100, splitLine: { show: false },
        axisLabel: { color: c.quiet, formatter: "{value} %" } });
      return overTime(c, [
        line("in flight", inFlight),
        ...(users.length ? [line("users", users, { step: "end" })] : []),
        ...(cpu.length ? [line("CPU, %", cpu, { yAxisIndex: 1, lineStyle: { width: 1, type: "dotted" } })] : []),
      ], cpu.length ? [valueAxis(c), right] : [valueAxis(c)]);
    },
    percentiles: (c) => {
      // By the share of messages that took longer: 50 %, 10 %, 1 %, each as wide as the next.
      const nines = (percent) => -Math.log10(Math.max(1e-9, 1 - percent / 100));
      const named = { 0: "0", 1: "90", 2: "99", 3: "99.9", 4: "99.99" };
      const points = (name) => data.percentiles[name].map(([percent, ms]) => [nines(percent), ms, percent]);
      if (!data.percentiles.response.length) return null;
      const option = overTime(c, [line("response time", points("response")), line("service time", points("service"))]);
      delete option.series[0].markLine;
      option.xAxis = { type: "value", min: 0, interval: 1, splitLine: { show: false },
        axisLine: { lineStyle: { color: c.line } },
        axisLabel: { color: c.quiet, formatter: (value) => named[value] ? `${named[value]} %` : "" },
        axisPointer: { label: { formatter: ({ value }) => `${(100 * (1 - 10 ** -value)).toFixed(2)} %` } } };
      return option;
    },
    heat: (c) => data.heat.cells.length && {
      ...base(c), legend: { show: false },
      grid: { left: 12, right: 16, top: 8, bottom: 8, containLabel: true },
      tooltip: { ...base(c).tooltip, trigger: "item", formatter: ({ value: [column, row, count] }) =>
        `${clock(data.heat.columns[column])}, ${data.heat.rows[row]}: ${count.toLocaleString("en")}` },
      xAxis: { type: "category", data: data.heat.columns.map(clock), axisTick: { show: false },
        axisLabel: { color: c.quiet, hideOverlap: true }, axisLine: { lineStyle: { color: c.line } } },
      yAxis: { type: "category", data: data.heat.rows, axisTick: { show: false },
        axisLabel: { color: c.quiet, interval: Math.ceil(data.heat.rows.length / 10) - 1,
          formatter: (row) => row.replace(/^.* to /, "") },
        axisLine: { lineStyle: { color: c.line } } },
      visualMap: { show: false, min: 0, max: Math.max(...data.heat.cells.map(([, , count]) => count)),
        inRange: { color: c.heat } },
      series: [{ type: "heatmap", data: data.heat.cells, progressive: 0 }],
    },
  };

  const draw = () => {
    const c = colours();
    for (const plot of plots.splice(0)) plot.dispose();
    for (const [id, make] of Object.entries(options)) {
      const place = document.querySelector(`#${id} .plot`);
      const option = make(c);
      if (!option) {
        document.getElementById(id).hidden = true;
        continue;
      }
      const plot = echarts.init(place, null, { renderer: "canvas" });
      plot.setOption(option);
      plots.push(plot);
    }
  };
  draw();
  dark.addEventListener("change", draw);
  window.addEventListener("resize", () => plots.forEach((plot) => plot.resize()));
  window.addEventListener("beforeprint", () => plots.forEach((plot) => plot.resize()));

  // Without a secure context there is no clipboard: of a file on disk there mostly is one.
  for (const button of navigator.clipboard ? document.querySelectorAll("button.copy") : []) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const text = button.parentElement.querySelector("code")
        ?? button.closest("details").querySelector("pre");
      await navigator.clipboard.writeText(text.textContent);
      button.textContent = "Copied";
    });
  }
})();
