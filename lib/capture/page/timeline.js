// Time from left to right: of each thread its samples and its spans; and memory. Both share the axis, zoom and the choice of a part by dragging.

// At least `rough`, round in the unit that it is written in: 1, 2 or 5 of a decade, or of minutes.
function stepOf(rough) {
  const whole = rough > 20e9 ? 60e9 : 1, unit = whole * 10 ** Math.max(0, Math.floor(Math.log10(rough / whole)));
  if (rough > 20e9 && rough <= 30e9) return 30e9;
  return [1, 2, 5, 10].map((of) => of * unit).find((of) => of >= rough) || 10 * unit;
}

// Text on a ground of its own, so that lines do not run through it.
function plate(context, words, x, y) {
  context.fillStyle = colour('page');
  context.globalAlpha = 0.75;
  context.fillRect(x - 2, y - 8, context.measureText(words).width + 4, 16);
  context.globalAlpha = 1;
  context.fillStyle = colour('text');
  context.fillText(words, x, y);
}

class TimeAxis {
  constructor(app) {
    this.app = app;
    this.whole = Math.max(1, app.profile.data.duration_ns);
    this.from = 0;
    this.to = this.whole;
    this.left = 0;
  }
  // Pixel of a time and back; the room right of `left`.
  setWidth(left, width) { this.left = left; this.width = Math.max(1, width - left - 8); }
  x(ns) { return this.left + (ns - this.from) * this.width / (this.to - this.from); }
  time(x) { return this.from + (x - this.left) * (this.to - this.from) / this.width; }
  zoom(factor, around) {
    const span = Math.min(this.whole, Math.max(1000, (this.to - this.from) * factor)), share = (around - this.from) / (this.to - this.from);
    this.from = Math.max(0, Math.min(this.whole - span, around - share * span));
    this.to = this.from + span;
  }
  move(share) {
    const span = this.to - this.from, by = Math.max(-this.from, Math.min(this.whole - this.to, share * span));
    this.from += by;
    this.to = this.from + span;
  }
  reset() {
    const done = this.from === 0 && this.to === this.whole;
    this.from = 0;
    this.to = this.whole;
    return !done;
  }
  draw(context, y, height) {
    const step = stepOf((this.to - this.from) / Math.max(2, this.width / 110));
    context.fillStyle = colour('soft');
    context.strokeStyle = colour('edge');
    context.lineWidth = 1;
    for (let at = Math.ceil(this.from / step) * step; at <= this.to; at += step) {
      const x = Math.round(this.x(at)) + 0.5;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x, y + height);
      context.stroke();
      if (x + 60 < this.left + this.width + 8) context.fillText(formatMark(at), x + 3, y + 8);
    }
    this.drawRange(context, y, height);
  }
  drawRange(context, y, height) {
    const range = this.dragged || this.app.pick.range;
    if (!range) return;
    context.fillStyle = colour('accent');
    context.globalAlpha = 0.16;
    context.fillRect(Math.max(this.left, this.x(range[0])), y, Math.max(1, this.x(range[1]) - Math.max(this.left, this.x(range[0]))), height);
    context.globalAlpha = 1;
  }
  // Wheel, drag and keys of a scene; tell(place) is for the pointer without a drag.
  bind(scene, tell) {
    const { canvas } = scene;
    let start = null;
    canvas.addEventListener('wheel', (event) => {
      if (!event.ctrlKey && !event.shiftKey && Math.abs(event.deltaY) > Math.abs(event.deltaX) && scene.pane.scrollHeight > scene.pane.clientHeight + 1) return;
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.move(event.deltaX / this.width);
      else this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.time(scene.place(event).x));
      scene.paint();
    }, { passive: false });
    canvas.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      start = this.time(scene.place(event).x);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener('pointermove', (event) => {
      const place = scene.place(event);
      tell(place);
      if (start === null) return;
      const now = this.time(place.x);
      this.dragged = Math.abs(this.x(now) - this.x(start)) > 4 ? [Math.max(0, Math.min(start, now)), Math.min(this.whole, Math.max(start, now))] : null;
      scene.paint();
    });
    canvas.addEventListener('pointerup', () => {
      const range = this.dragged;
      start = this.dragged = null;
      if (range) this.app.setRange(range);
    });
    canvas.addEventListener('pointerleave', () => this.app.tell(''));
    canvas.addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '+' || event.key === '=') this.zoom(0.7, (this.from + this.to) / 2);
      else if (event.key === '-') this.zoom(1.4, (this.from + this.to) / 2);
      else if (event.key === 'ArrowLeft') this.move(-0.2);
      else if (event.key === 'ArrowRight') this.move(0.2);
      else if (event.key === '0') this.reset();
      else return;
      event.preventDefault();
      event.stopPropagation();
      scene.paint();
    });
  }
}

const TICKS = 26; // pixels of a thread's samples
const SPAN_ROW = 17;

// Of each thread its samples in order of time and its spans with the depth they lie at.
function lanesOf(app) {
  const { profile } = app, { spans, sites, threads } = profile.data, lanes = [];
  for (let i = 0; i <= threads.id.length; i++) lanes.push({ thread: i, name: profile.threadName(i), spans: [], depths: [], rows: 0, at: [], stack: [], weight: [] });
  const order = Array.from(spans.begin_ns.keys()).sort((a, b) => spans.begin_ns[a] - spans.begin_ns[b] || spans.end_ns[b] - spans.end_ns[a]);
  const open = lanes.map(() => []);
  for (const i of order) {
    const lane = lanes[spans.thread[i]] || lanes[0], ends = open[lane.thread];
    let depth = 0;
    while (depth < ends.length && ends[depth] > spans.begin_ns[i]) depth++;
    ends[depth] = spans.end_ns[i];
    lane.spans.push(i);
    lane.depths.push(depth);
    lane.rows = Math.max(lane.rows, depth + 1);
  }
  const measure = app.pick.measure;
  if (measure) {
    const set = profile.data.samples[measure[0]], values = set.values[measure[1]];
    for (let i = 0; i < set.stack.length; i++) {
      const lane = lanes[set.thread[i]];
      if (!lane || !profile.takes(set, i, { ...app.pick, range: null }) || values[i] <= 0) continue;
      lane.at.push(set.at_ns[i]);
      lane.stack.push(set.stack[i]);
      lane.weight.push(values[i]);
    }
  }
  const name = (i) => (spans.site[i] ? profile.text(sites.name[spans.site[i] - 1]) : 'span');
  return { lanes: lanes.filter((lane) => (lane.at.length > 0 || lane.spans.length > 0) && (!app.pick.thread || lane.thread === app.pick.thread)), name };
}

class Timeline {
  constructor(app) {
    this.app = app;
    this.axis = new TimeAxis(app);
    Object.assign(this, lanesOf(app));
    this.scene = new Scene('Timeline of threads, samples and spans. Plus and minus zoom, arrow keys move, 0 shows all.', (...what) => this.draw(...what));
    this.scene.height = 20 + this.lanes.reduce((sum, lane) => sum + 18 + TICKS + lane.rows * SPAN_ROW + 8, 0);
    this.axis.bind(this.scene, (place) => app.tell(this.about(place)));
    const words = 'Bars are samples, boxes are spans. Drag to choose a time for all views; wheel with Ctrl, or + and -, zooms.';
    this.node = el('div', { class: 'split' }, el('div', { class: 'bar' }, words), this.scene.pane);
    this.boxes = [];
  }
  end() { this.scene.end(); }
  refresh() { this.scene.paint(); }
  back() { const done = this.axis.reset(); this.scene.paint(); return done; }
  draw(context, width, height, top) {
    this.axis.setWidth(8, width);
    this.boxes = [];
    context.clearRect(0, 0, width, height);
    this.axis.draw(context, 0, height);
    let y = 20 - top;
    for (const lane of this.lanes) {
      const tall = 18 + TICKS + lane.rows * SPAN_ROW + 8;
      if (y + tall > 0 && y < height) this.drawLane(context, lane, y, width);
      y += tall;
    }
    context.fillStyle = colour('page');
    context.fillRect(0, 0, width, 18);
    this.axis.draw(context, 0, 18);
  }
  drawLane(context, lane, y, width) {
    plate(context, fitText(context, `${lane.name}: ${formatCount(lane.at.length)} samples, ${formatCount(lane.spans.length)} spans`, width - 16), 8, y + 9);
    this.drawSamples(context, lane, y + 18);
    this.drawSpans(context, lane, y + 18 + TICKS + 2);
    context.fillStyle = colour('edge');
    context.fillRect(0, y + 18 + TICKS + lane.rows * SPAN_ROW + 5, width, 1);
  }
  drawSamples(context, lane, y) {
    const { axis } = this, step = 3, columns = Math.ceil(axis.width / step), all = new Float64Array(columns), hits = new Float64Array(columns), { found } = this.app;
    let largest = 0;
    for (let i = 0; i < lane.at.length; i++) {
      const column = Math.floor((axis.x(lane.at[i]) - axis.left) / step);
      if (column < 0 || column >= columns) continue;
      all[column] += lane.weight[i];
      if (found.count > 0 && found.stacks[lane.stack[i]]) hits[column] += lane.weight[i];
      if (all[column] > largest) largest = all[column];
    }
    for (const [sums, name] of [[all, 'tick'], [hits, 'hit']]) {
      context.fillStyle = colour(name);
      for (let c = 0; c < columns; c++) {
        const tall = sums[c] > 0 ? Math.max(2, TICKS * sums[c] / largest) : 0;
        if (tall > 0) context.fillRect(axis.left + c * step, y + TICKS - tall, step - 0.5, tall);
      }
    }
  }
  drawSpans(context, lane, y) {
    const { spans } = this.app.profile.data, { axis } = this, dark = isDark(), ink = colour('frame-text'), last = new Float64Array(lane.rows).fill(-1), { pattern } = this.app;
    for (let k = 0; k < lane.spans.length; k++) {
      const i = lane.spans[k], row = lane.depths[k], x = Math.max(axis.left, axis.x(spans.begin_ns[i])), right = Math.min(axis.left + axis.width, axis.x(spans.end_ns[i]));
      if (right < axis.left || x > axis.left + axis.width || right < last[row] + 0.5) continue;
      const name = this.name(i), hit = pattern !== null && pattern.test(name), w = Math.max(0.7, right - x), top = y + row * SPAN_ROW;
      last[row] = x + w;
      context.globalAlpha = pattern !== null && !hit ? 0.45 : 1;
      context.fillStyle = hit ? colour('hit') : colourOfSpan(name, dark);
      context.fillRect(x, top, Math.max(0.7, w - 0.5), SPAN_ROW - 2);
      context.fillStyle = hit ? colour('page') : ink;
      if (w > 22) context.fillText(fitText(context, name, w - 6), x + 3, top + SPAN_ROW / 2 - 1);
      context.globalAlpha = 1;
      this.boxes.push([x, top + this.scene.top, w, i]);
    }
  }
  about({ x, y }) {
    const { profile } = this.app, { spans, labels } = profile.data, box = this.boxes.find(([left, top, w]) => x >= left - 1 && x <= left + w + 1 && y >= top && y < top + SPAN_ROW);
    if (!box) return formatNs(Math.max(0, this.axis.time(x)));
    const i = box[3], of = attributesOf(profile, i), set = labels[spans.labels[i]] || [], words = [];
    for (let k = 0; k < set.length; k += 2) words.push(profile.text(set[k]) + ' ' + profile.text(set[k + 1]));
    for (const [key, value] of Object.entries(of)) words.push(key + ' ' + value);
    return [this.name(i), formatNs(spans.end_ns[i] - spans.begin_ns[i]) + ' from ' + formatNs(spans.begin_ns[i]), ...words].join(' · ');
  }
}

const CURVES = [['rss', 'resident'], ['heap', 'heap'], ['mapped', 'mapped files']];

class Memory {
  constructor(app) {
    this.app = app;
    this.axis = new TimeAxis(app);
    this.memory = app.profile.data.memory;
    this.stages = this.findStages();
    this.highest = 1;
    this.peak = -1;
    for (const [key] of CURVES) for (const value of this.memory[key]) this.highest = Math.max(this.highest, value || 0);
    this.memory.rss.forEach((value, i) => { if (value !== null && (this.peak < 0 || value > this.memory.rss[this.peak])) this.peak = i; });
    this.scene = new Scene('Memory over time with the stages of the run. Plus and minus zoom, arrow keys move, 0 shows all.', (...what) => this.draw(...what));
    this.axis.bind(this.scene, (place) => app.tell(this.about(this.axis.time(place.x))));
    const keys = CURVES.filter(([key]) => this.memory[key].some((value) => value !== null)).map(([key, name]) => this.sign(key, name));
    const most = this.peak >= 0 ? `peak ${formatBytes(this.memory.rss[this.peak])} at ${formatNs(this.memory.at_ns[this.peak])}` : '';
    this.node = el('div', { class: 'split' }, el('div', { class: 'bar' }, ...keys, el('span', {}, most)), this.scene.pane);
  }
  sign(key, name) {
    const mark = el('canvas', { width: 12, height: 12, 'aria-hidden': 'true' });
    this.signs = [...(this.signs || []), [mark, key]];
    return el('span', { class: 'key' }, mark, name);
  }
  findStages() {
    const { profile } = this.app, { spans, sites } = profile.data, stages = new Map();
    for (let i = 0; i < spans.site.length; i++) {
      const site = spans.site[i] - 1;
      if (site < 0 || profile.text(sites.category[site]) !== 'stage') continue;
      const name = profile.text(sites.name[site]);
      if (!stages.has(name)) stages.set(name, []);
      stages.get(name).push(i);
    }
    return stages;
  }
  end() { this.scene.end(); }
  refresh() { this.scene.paint(); }
  back() { const done = this.axis.reset(); this.scene.paint(); return done; }
  draw(context, width, height) {
    const rows = Array.from(this.stages.keys()).slice(0, 12), low = height - 14 - rows.length * 16, top = 24, left = width < 500 ? 58 : 76;
    this.axis.setWidth(left, width);
    context.clearRect(0, 0, width, height);
    for (const [mark, key] of this.signs || []) { const spot = mark.getContext('2d'); spot.fillStyle = colour(key); spot.fillRect(0, 0, 12, 12); }
    this.drawScale(context, top, low, left, width);
    this.axis.draw(context, 4, height - 8);
    const y = (bytes) => low - (low - top) * bytes / (this.highest * 1.05);
    for (const [key] of CURVES) this.drawCurve(context, key, y, low);
    this.drawPeak(context, y, left, width);
    rows.forEach((name, i) => this.drawStage(context, name, low + 8 + i * 16, left));
  }
  drawScale(context, top, low, left, width) {
    const rough = this.highest * 1.05 / Math.max(2, (low - top) / 60);
    let step = 1024;
    while (step < rough) step *= 2;
    context.textAlign = 'right';
    for (let at = 0; at <= this.highest * 1.05; at += step) {
      const y = low - (low - top) * at / (this.highest * 1.05);
      context.fillStyle = colour('edge');
      context.fillRect(left, Math.round(y), width - left - 8, 1);
      context.fillStyle = colour('soft');
      context.fillText(formatBytes(at).replace('.0', ''), left - 5, y);
    }
    context.textAlign = 'left';
  }
  drawCurve(context, key, y, low) {
    const values = this.memory[key], { axis } = this;
    context.save();
    context.beginPath();
    context.rect(axis.left, 0, axis.width, low + 1);
    context.clip();
    context.strokeStyle = colour(key);
    context.lineWidth = 1.8;
    context.beginPath();
    let drawing = false;
    values.forEach((value, i) => {
      if (value === null) { drawing = false; return; }
      context[drawing ? 'lineTo' : 'moveTo'](axis.x(this.memory.at_ns[i]), y(value));
      drawing = true;
    });
    context.stroke();
    context.restore();
  }
  drawPeak(context, y, left, width) {
    if (this.peak < 0) return;
    const x = this.axis.x(this.memory.at_ns[this.peak]), at = y(this.memory.rss[this.peak]), words = 'peak ' + formatBytes(this.memory.rss[this.peak]);
    if (x < left || x > width) return;
    context.fillStyle = colour('rss');
    context.beginPath();
    context.arc(x, at, 4, 0, 7);
    context.fill();
    const room = context.measureText(words).width + 8;
    plate(context, words, x + room > width ? x - room : x + 8, at + 14);
  }
  drawStage(context, name, y, left) {
    const { spans } = this.app.profile.data, { axis } = this, { pattern } = this.app;
    context.fillStyle = colour('soft');
    context.textAlign = 'right';
    context.fillText(fitText(context, name, left - 8), left - 5, y + 6);
    context.textAlign = 'left';
    context.fillStyle = pattern !== null && pattern.test(name) ? colour('hit') : colourOfSpan(name, isDark());
    let last = -1;
    for (const i of this.stages.get(name)) {
      const x = Math.max(axis.left, axis.x(spans.begin_ns[i])), right = Math.min(axis.left + axis.width, axis.x(spans.end_ns[i]));
      if (right < axis.left || x > axis.left + axis.width || right <= last + 0.3) continue;
      context.fillRect(x, y, Math.max(0.8, right - x), 12);
      last = Math.max(last, right);
    }
  }
  about(ns) {
    const { at_ns } = this.memory;
    let at = 0;
    while (at + 1 < at_ns.length && at_ns[at + 1] <= ns) at++;
    const words = CURVES.filter(([key]) => (this.memory[key][at] ?? null) !== null).map(([key, name]) => name + ' ' + formatBytes(this.memory[key][at]));
    return [formatNs(Math.max(0, ns)), ...words].join(' · ');
  }
}

const timelineView = (app) => new Timeline(app);
const memoryView = (app) => (app.profile.data.memory.at_ns.length === 0 ? emptyView('Memory was not measured.') : new Memory(app));
