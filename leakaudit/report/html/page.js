"use strict";
(() => {
  const find = (selector, from = document) => [...from.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);

  // Theme: what the system prefers, until the button says otherwise.
  const root = document.documentElement;
  const THEMES = ["auto", "light", "dark"];
  const theme = byId("theme");
  const stored = () => { try { return localStorage.getItem("leakaudit-theme"); } catch { return null; } };
  const store = (name) => { try { localStorage.setItem("leakaudit-theme", name); } catch { /* a private window */ } };
  let chosen = THEMES.includes(stored()) ? stored() : "auto";
  const plots = [];
  const redraw = () => plots.forEach((plot) => plot.restyle());
  const applyTheme = () => {
    if (chosen === "auto") delete root.dataset.theme; else root.dataset.theme = chosen;
    theme.textContent = `Theme: ${chosen}`;
    redraw();
  };
  theme.addEventListener("click", () => {
    chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
    store(chosen);
    applyTheme();
  });
  theme.hidden = false;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // Filters.
  const form = byId("filters");
  const cards = find(".card").map((element) => ({ element, text: element.textContent.toLowerCase() }));
  const chosenValues = (name) => {
    const boxes = find(`input[name="${name}"]`, form);
    return boxes.length ? new Set(boxes.filter((box) => box.checked).map((box) => box.value)) : null;
  };
  const filter = () => {
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rule = form.elements.rule ? form.elements.rule.value : "";
    const sets = { status: chosenValues("status"), confidence: chosenValues("confidence") };
    let shown = 0;
    for (const { element, text } of cards) {
      const data = element.dataset;
      const matches = (!rule || data.rule === rule) && words.every((word) => text.includes(word))
        && Object.entries(sets).every(([name, values]) => !values || values.has(data[name]));
      element.hidden = !matches;
      shown += matches;
    }
    byId("shown").textContent = `${shown} of ${cards.length}`;
    byId("nothing").hidden = shown > 0;
  };
  if (form) {
    form.hidden = false;
    form.addEventListener("input", filter);
    form.addEventListener("submit", (event) => event.preventDefault());
    byId("reset").addEventListener("click", () => {
      form.reset();
      find("input[type=checkbox]", form).forEach((box) => { box.checked = true; });
      filter();
      form.elements.text.focus();
    });
    const unfold = byId("unfold");
    unfold.addEventListener("click", () => {
      const open = unfold.textContent === "Open all";
      cards.forEach(({ element }) => { if (!element.hidden) element.open = open; });
      unfold.textContent = open ? "Close all" : "Open all";
    });
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input, select, textarea");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        form.elements.text.focus();
      } else if (event.key === "Escape" && event.target === form.elements.text) {
        form.elements.text.value = "";
        filter();
      }
    });
    filter();  // a browser restores a form's state when it reloads a page
  }
  const openTarget = () => {
    const target = location.hash.length > 1 && byId(decodeURIComponent(location.hash.slice(1)));
    if (target && target.tagName === "DETAILS") target.open = true;
  };
  addEventListener("hashchange", openTarget);
  openTarget();

  // Figures.
  const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];
  const size = (value) => {
    let step = 0;
    while (Math.abs(value) >= 999.5 && step < UNITS.length - 1) { value /= 1024; step += 1; }
    return `${step ? Number(value.toPrecision(3)) : Math.round(value)} ${UNITS[step]}`;
  };
  const plain = (value) => value.toLocaleString("en", { maximumFractionDigits: 2 });
  const duration = (seconds) => {
    if (seconds < 120) return `${Number(seconds.toFixed(1))} s`;
    return seconds < 7200 ? `${Number((seconds / 60).toFixed(1))} min` : `${Number((seconds / 3600).toFixed(1))} h`;
  };
  // Steps of an axis: round figures in the units that it is labelled in.
  const ROUND = [1, 2, 5, 10, 20, 50, 100, 200, 500];
  const SIZES = [0, 10, 20, 30, 40].flatMap((power) => ROUND.map((count) => count * 2 ** power));
  const COUNTS = [0, 3, 6, 9].flatMap((power) => ROUND.map((count) => count * 10 ** power));
  const TIMES = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800];

  // Charts. A custom property has to be resolved by an element before a canvas can use it.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const resolved = (text) => {
    probe.style.color = text;
    return getComputedStyle(probe).color;
  };
  const color = (name) => resolved(`var(--${name})`);
  const softened = (name) => resolved(`color-mix(in srgb, var(--${name}) 40%, var(--paper))`);

  const stack = (lines) => {
    const total = lines[0].values.map(() => 0);
    return lines.map((line) => line.overlay ? line.values : line.values.map((value, at) => value === null ? null : (total[at] += value)));
  };

  class Plot {
    constructor(figure, data) {
      this.data = data;
      this.holder = figure.querySelector(".plot");
      this.format = data.unit === "bytes" ? size : plain;
      this.shown = data.lines.map(() => true);
      this.legend(figure.querySelector(".legend"));
      this.draw();
      new ResizeObserver(() => this.resize()).observe(this.holder);
      this.holder.addEventListener("keydown", (event) => this.walk(event));
    }

    legend(box) {
      this.values = this.data.lines.map((line, index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = line.label.slice(0, 300);
        button.setAttribute("aria-pressed", "true");
        const [key, name, value] = ["key c" + (index % 8), "name", "value"].map((className) => {
          const part = document.createElement("span");
          part.className = className;
          return part;
        });
        const label = document.createElement("bdi");
        label.textContent = line.label.slice(-120);
        name.append(label);
        button.append(key, name, value);
        button.addEventListener("click", () => {
          this.shown[index] = !this.shown[index];
          button.setAttribute("aria-pressed", String(this.shown[index]));
          this.restyle();
        });
        box.append(button);
        return value;
      });
    }

    options() {
      const { data } = this;
      const grid = { stroke: color("line"), width: 1 };
      const axis = { stroke: color("soft"), grid, ticks: { show: false }, font: "11px system-ui, sans-serif" };
      const series = (line, index) => {
        const stroke = color(`c${index % 8}`);
        const filled = data.stacked && !line.overlay;
        return {
          label: line.label, stroke, width: 1.75, spanGaps: true, show: this.shown[index], points: { show: false },
          fill: filled ? softened(`c${index % 8}`) : undefined, dash: data.stacked && line.overlay ? [5, 4] : undefined,
        };
      };
      const all = data.lines.map(series);
      return {
        width: Math.max(this.holder.clientWidth, 120),
        height: this.holder.clientHeight,
        legend: { show: false },
        padding: [8, 18, 0, 0],
        scales: { x: { time: false }, y: { range: (_, low, high) => this.range(low, high) } },
        cursor: { sync: { key: "leakaudit" }, y: false, drag: { x: true, y: false } },
        axes: [
          { ...axis, values: (_, marks) => marks.map(duration), incrs: TIMES, space: 70, size: 28 },
          { ...axis, values: (_, marks) => marks.map(this.format), size: 64, space: 40, incrs: data.unit === "bytes" ? SIZES : COUNTS },
        ],
        // What lies on top of a pile is painted first.
        series: [{}, ...(data.stacked ? all.slice().reverse() : all)],
        hooks: { draw: [(plot) => this.mark(plot)], setCursor: [(plot) => this.tell(plot.cursor.idx)] },
      };
    }

    // A dotted line at each moment that the program told of.
    mark(plot) {
      const { ctx, bbox } = plot;
      ctx.save();
      ctx.strokeStyle = color("soft");
      ctx.setLineDash([2, 4]);
      for (const at of this.data.marks) {
        const x = plot.valToPos(at, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      }
      ctx.restore();
    }

    range(low, high) {
      if (low === null || high === null) return [0, 1];
      if (this.data.stacked) return [0, high * 1.05];
      const room = (high - low) * 0.08 || Math.max(Math.abs(high) * 0.05, 1);
      return [low >= 0 ? Math.max(0, low - room) : low - room, high + room];
    }

    draw() {
      const { data } = this;
      const values = data.stacked ? stack(data.lines).reverse() : data.lines.map((line) => line.values);
      this.holder.replaceChildren();
      this.plot = new uPlot(this.options(), [data.times, ...values], this.holder);
      this.tell(null);
    }

    // The value at a moment, or the last one there is.
    tell(index) {
      const last = this.data.times.length - 1;
      this.values.forEach((element, line) => {
        let at = index ?? last;
        const { values } = this.data.lines[line];
        while (at > 0 && values[at] === null) at -= 1;
        const text = values[at] === null ? "" : this.format(values[at]);
        element.textContent = index === null || index === undefined ? text : `${text} at ${duration(this.data.times[at])}`;
      });
    }

    walk(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const last = this.data.times.length - 1;
      const now = this.plot.cursor.idx ?? (step > 0 ? -1 : last + 1);
      const next = Math.min(Math.max(now + step, 0), last);
      this.plot.setCursor({ left: this.plot.valToPos(this.data.times[next], "x"), top: 10 });
    }

    resize() {
      const width = this.holder.clientWidth;
      if (width && width !== this.plot.width) this.plot.setSize({ width, height: this.holder.clientHeight });
    }

    restyle() {
      this.plot.destroy();
      this.draw();
    }
  }

  const charts = JSON.parse(byId("data").textContent);
  find("[data-chart]").forEach((figure) => plots.push(new Plot(figure, charts[Number(figure.dataset.chart)])));
  applyTheme();

  // Paper is white, and has everything open.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = cards.map(({ element }) => element).filter((element) => !element.hidden && !element.open);
    closed.forEach((element) => { element.open = true; });
    root.dataset.theme = "light";
    redraw();
  });
  addEventListener("afterprint", () => {
    closed.forEach((element) => { element.open = false; });
    applyTheme();
  });
})();
