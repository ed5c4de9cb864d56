// Views that are tables: functions, tasks, statements and requests, and what changed between two captures.

const ROWS_AT_A_TIME = 300;

// columns: {title, value(row), show(row) (text or node), number, wide, sort}. Rows are any values.
class Table {
  constructor(app, rows, columns, options) {
    Object.assign(this, { app, rows, columns, sorted: 0, down: true, ...options });
    this.shown = ROWS_AT_A_TIME;
    this.body = el('tbody');
    this.heads = columns.map((column, i) => el('th', { scope: 'col', class: (column.number ? 'number ' : '') + (column.wide ? 'wide' : '') },
      el('button', { type: 'button', onclick: () => this.sortBy(i) }, column.title)));
    this.rest = el('button', { type: 'button', onclick: () => { this.shown += ROWS_AT_A_TIME * 3; this.fill(); } });
    this.restBar = el('div', { class: 'bar' }, this.rest);
    this.bar = el('div', { class: 'bar' });
    this.node = el('div', { class: 'split' }, this.bar, el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...this.heads)), this.body), this.restBar));
    this.body.addEventListener('keydown', (event) => this.key(event));
    this.filterBox = el('input', { type: 'checkbox', onchange: () => this.fill() });
    this.summary = el('span');
    this.bar.append(this.summary, el('label', { class: 'key' }, this.filterBox, 'only what the search finds'));
    this.order();
  }
  order() {
    const { value } = this.columns[this.sorted], sign = this.down ? -1 : 1;
    this.rows.sort((a, b) => { const x = value(a), y = value(b); return x < y ? -sign : x > y ? sign : 0; });
    this.heads.forEach((head, i) => (i === this.sorted ? head.setAttribute('aria-sort', this.down ? 'descending' : 'ascending') : head.removeAttribute('aria-sort')));
    this.fill();
  }
  sortBy(column) {
    this.down = column === this.sorted ? !this.down : Boolean(this.columns[column].number);
    this.sorted = column;
    this.order();
  }
  fill() {
    const searching = this.app.pattern !== null, only = searching && this.filterBox.checked;
    const rows = only ? this.rows.filter((row) => this.hits(row)) : this.rows;
    this.body.replaceChildren(...rows.slice(0, this.shown).map((row) => this.line(row, searching && this.hits(row))));
    this.summary.textContent = this.words(rows.length);
    this.restBar.hidden = rows.length <= this.shown;
    this.restBar.style.display = rows.length <= this.shown ? 'none' : '';
    this.rest.textContent = `Show more of ${formatCount(rows.length)} rows`;
  }
  line(row, hit) {
    const cells = this.columns.map((column) => el('td', { class: [column.number && 'number', column.wide && 'wide', column.style].filter(Boolean).join(' ') },
      column.show ? column.show(row) : String(column.value(row))));
    const line = el('tr', { class: hit ? 'hit' : null, tabindex: this.open ? 0 : null }, ...cells);
    if (this.open) {
      line.addEventListener('click', () => this.open(row));
      line.openRow = () => this.open(row);
    }
    return line;
  }
  key(event) {
    const line = event.target.closest('tr');
    const to = event.key === 'ArrowDown' ? line.nextElementSibling : event.key === 'ArrowUp' ? line.previousElementSibling : null;
    if (event.key === 'Enter' && line.openRow) line.openRow();
    else if (to) to.focus();
    else return;
    event.preventDefault();
  }
  refresh() { this.fill(); }
  end() {}
  back() { return false; }
}

function meter(part, whole, words) {
  const bar = el('i');
  bar.style.width = Math.min(100, whole > 0 ? 100 * part / whole : 0) + '%';
  return el('span', {}, words, el('span', { class: 'meter' }, bar));
}

function topView(app) {
  const { profile, sums, totals } = app;
  if (sums.count === 0) return emptyView('No samples of this kind under this selection.');
  const format = FORMATS[app.pick.measure[3]], rows = [];
  for (let fn = 0; fn < profile.count; fn++) if (totals.samples[fn] > 0) rows.push(fn);
  return new Table(app, rows, [
    { title: 'Self', number: true, style: 'share', value: (fn) => totals.own[fn], show: (fn) => meter(totals.own[fn], sums.total, format(totals.own[fn])) },
    { title: '%', number: true, value: (fn) => totals.own[fn], show: (fn) => formatShare(totals.own[fn], sums.total) },
    { title: 'Cumulative', number: true, style: 'share', value: (fn) => totals.all[fn], show: (fn) => meter(totals.all[fn], sums.total, format(totals.all[fn])) },
    { title: '%', number: true, wide: true, value: (fn) => totals.all[fn], show: (fn) => formatShare(totals.all[fn], sums.total) },
    { title: 'Samples', number: true, wide: true, value: (fn) => totals.samples[fn], show: (fn) => formatCount(totals.samples[fn]) },
    { title: 'Function', style: 'name', value: (fn) => profile.name[fn], show: (fn) => profile.name[fn] || '?' },
    { title: 'Place', style: 'place', wide: true, value: (fn) => profile.place(fn), show: (fn) => el('span', { title: profile.file[fn] || profile.module[fn] }, profile.place(fn)) },
  ], { open: (fn) => app.sandwich(fn), hits: (fn) => app.found.fns[fn] === 1,
    words: (count) => `${formatCount(count)} functions, ${format(sums.total)} in ${formatCount(sums.count)} samples. A row opens its callers and callees.` });
}

const TASK_STATES = ['?', 'ready', 'running', 'waiting', 'ended'];

function tasksView(app) {
  const { profile } = app, tasks = profile.data.tasks, ends = profile.data.duration_ns, rows = Array.from(tasks.name.keys());
  if (rows.length === 0) return emptyView('The capture has no tasks.');
  const length = (i) => (tasks.end_ns[i] || ends) - tasks.begin_ns[i], text = profile.text;
  const column = (title, key) => ({ title, number: true, value: (i) => tasks[key][i], show: (i) => formatNs(tasks[key][i]) });
  const state = (i) => TASK_STATES[tasks.state[i]] + (tasks.state[i] === 3 && tasks.wait_on[i] ? ': ' + text(tasks.wait_on[i]) : '');
  return new Table(app, rows, [
    { title: 'Took', number: true, style: 'share', value: length, show: (i) => meter(length(i), ends, formatNs(length(i))) },
    column('Busy', 'busy_ns'), { ...column('Ready', 'ready_ns'), wide: true }, { ...column('Idle', 'idle_ns'), wide: true },
    { title: 'Polls', number: true, wide: true, value: (i) => tasks.polls[i], show: (i) => formatCount(tasks.polls[i]) },
    { ...column('Longest poll', 'longest_poll_ns'), wide: true },
    { title: 'Began', number: true, wide: true, value: (i) => tasks.begin_ns[i], show: (i) => formatNs(tasks.begin_ns[i]) },
    { title: 'State', value: state, show: state },
    { title: 'Task', style: 'name', value: (i) => text(tasks.name[i]) },
  ], { open: (i) => app.setRange([tasks.begin_ns[i], tasks.end_ns[i] || ends], 'timeline'), hits: (i) => app.pattern.test(text(tasks.name[i])),
    words: (count) => `${formatCount(count)} tasks. A row shows its time in the timeline; all views are then of that time.` });
}

function attributesOf(profile, span) {
  const list = profile.data.spans.attributes[span], of = {};
  for (let i = 0; i < list.length; i += 2) of[profile.text(list[i])] = list[i + 1];
  return of;
}

// Spans of categories sql and http, those of the same statement, or of the same host, as one row.
function gatherIo(app) {
  const { profile } = app, { spans, sites } = profile.data, rows = new Map(), range = app.pick.range;
  for (let i = 0; i < spans.site.length; i++) {
    if (spans.site[i] === 0 || (range && (spans.end_ns[i] < range[0] || spans.begin_ns[i] >= range[1])) || (app.pick.thread && spans.thread[i] !== app.pick.thread)) continue;
    const category = profile.text(sites.category[spans.site[i] - 1]);
    if (category !== 'sql' && category !== 'http') continue;
    const of = attributesOf(profile, i), site = profile.text(sites.name[spans.site[i] - 1]);
    const what = category === 'sql' ? of.text || site : of.host || site, key = category + what, took = spans.end_ns[i] - spans.begin_ns[i];
    let row = rows.get(key);
    if (!row) rows.set(key, row = { category, what, count: 0, busy: 0, longest: 0, retries: 0, fresh: 0, failed: 0 });
    const count = Number(of.count ?? 1), busy = Number(of.busy_ns ?? took);
    row.count += count;
    row.busy += busy;
    row.longest = Math.max(row.longest, busy / Math.max(1, count)); // of short ones in a row, which are one span, only the mean is known
    if (Number(of.try) > 1) row.retries++;
    if (Number(of.new_connection) === 1) row.fresh++;
    if (Number(of.status) >= 400) row.failed++;
  }
  return Array.from(rows.values());
}

function ioView(app) {
  const rows = gatherIo(app), ends = app.profile.data.duration_ns;
  if (rows.length === 0) return emptyView('No SQL statements and no HTTP requests in the capture under this selection.');
  const notes = (row) => [row.retries && `${row.retries} tried again`, row.fresh && `${row.fresh} new connections`, row.failed && `${row.failed} failed`].filter(Boolean).join(', ');
  return new Table(app, rows, [
    { title: 'Time', number: true, style: 'share', value: (row) => row.busy, show: (row) => meter(row.busy, ends, formatNs(row.busy)) },
    { title: 'Count', number: true, value: (row) => row.count, show: (row) => formatCount(row.count) },
    { title: 'Mean', number: true, wide: true, value: (row) => row.busy / Math.max(1, row.count), show: (row) => formatNs(row.busy / Math.max(1, row.count)) },
    { title: 'Longest', number: true, wide: true, value: (row) => row.longest, show: (row) => formatNs(row.longest) },
    { title: 'Kind', value: (row) => row.category },
    { title: 'Statement or host', style: 'name', value: (row) => row.what },
    { title: 'Notes', wide: true, value: notes },
  ], { hits: (row) => app.pattern.test(row.what), words: (count) => `${formatCount(count)} statements and hosts. Short ones in a row are known by their mean.` });
}

// Functions of two captures are the same when name and base name of the module are: lines and addresses change from build to build.
function changes(app) {
  const rows = new Map(), one = (profile, totals, side) => {
    for (let fn = 0; fn < profile.count; fn++) {
      if (totals.samples[fn] === 0) continue;
      const key = profile.name[fn] + '\n' + baseName(profile.module[fn]);
      let row = rows.get(key);
      if (!row) rows.set(key, row = { name: profile.name[fn], place: profile.place(fn), own: [0, 0], all: [0, 0], fn: -1 });
      row.own[side] += totals.own[fn];
      row.all[side] += totals.all[fn];
      if (side === 1) row.fn = fn;
    }
  };
  one(app.before, app.before.totals(app.beforeSums()), 0);
  one(app.profile, app.totals, 1);
  return rows;
}

function diffView(app) {
  if (!app.before) return emptyView('One capture only. Two are compared with: qloader prof view AFTER --diff BEFORE');
  if (!app.pick.measure) return emptyView('No samples of this kind.');
  const rows = changes(app), format = FORMATS[app.pick.measure[3]], list = Array.from(rows.values()), { profile } = app;
  const signed = (value) => el('span', { class: value > 0 ? 'more' : value < 0 ? 'less' : null }, (value > 0 ? '+' : '') + format(value));
  const own = (row) => row.own[1] - row.own[0], all = (row) => row.all[1] - row.all[0], before = app.beforeSums().total;
  const table = new Table(app, list, [
    { title: 'Self change', number: true, value: (row) => Math.abs(own(row)), show: (row) => signed(own(row)) },
    { title: 'Before', number: true, wide: true, value: (row) => row.own[0], show: (row) => format(row.own[0]) },
    { title: 'After', number: true, wide: true, value: (row) => row.own[1], show: (row) => format(row.own[1]) },
    { title: 'Cumulative change', number: true, wide: true, value: (row) => Math.abs(all(row)), show: (row) => signed(all(row)) },
    { title: 'Function', style: 'name', value: (row) => row.name },
    { title: 'Place', style: 'place', wide: true, value: (row) => row.place },
  ], { open: (row) => row.fn >= 0 && app.sandwich(row.fn), hits: (row) => app.pattern.test(row.name),
    words: (count) => `${formatCount(count)} functions; in all ${format(before)} before, ${format(app.sums.total)} after` });
  const delta = new Float64Array(profile.count);
  for (let fn = 0; fn < profile.count; fn++) { const row = rows.get(profile.name[fn] + '\n' + baseName(profile.module[fn])); if (row) delta[fn] = own(row); }
  let largest = 1;
  for (const value of delta) largest = Math.max(largest, Math.abs(value));
  if (app.sums.total <= 0) return table;
  const flame = new Flame(app, app.tree(true), { byWeight: true, rootName: 'all', label: 'Graph of the change: red has become more, blue less', format });
  flame.paint = (node) => changeColour(delta[flame.tree.fn[node]] / largest, flame.dark);
  flame.about = (node) => (node === 0 ? '' : 'own part changed by ' + (delta[flame.tree.fn[node]] > 0 ? '+' : '') + format(delta[flame.tree.fn[node]]));
  table.node.insertBefore(el('div', { class: 'bar' }, 'Widths are of the run after; red: more of its own, blue: less'), table.bar);
  table.node.insertBefore(flame.node, table.bar);
  table.end = () => flame.end();
  table.back = () => flame.back();
  table.flame = flame;
  const fill = table.refresh.bind(table);
  table.refresh = () => { fill(); flame.refresh(); };
  return table;
}

// -1 (blue) to 1 (red), grey between.
function changeColour(share, dark) {
  const strength = Math.sqrt(Math.abs(share)), hue = share > 0 ? 8 : 214;
  return dark ? `hsl(${hue} ${Math.round(65 * strength)}% ${Math.round(28 + 12 * strength)}%)` : `hsl(${hue} ${Math.round(85 * strength)}% ${Math.round(90 - 24 * strength)}%)`;
}
