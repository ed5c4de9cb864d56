// The page: what is chosen, which view shows it, keys.

const VIEWS = [
  { id: 'top', title: 'Top', make: topView },
  { id: 'flame', title: 'Flame', make: (app) => flameView(app, false) },
  { id: 'heavy', title: 'Left heavy', make: (app) => flameView(app, true) },
  { id: 'sandwich', title: 'Sandwich', make: sandwichView },
  { id: 'timeline', title: 'Timeline', make: timelineView },
  { id: 'memory', title: 'Memory', make: memoryView },
  { id: 'tasks', title: 'Tasks', make: tasksView },
  { id: 'io', title: 'SQL/HTTP', make: ioView },
  { id: 'diff', title: 'Diff', make: diffView },
];

const KEYS = [
  ['1 ... 9', 'the views, from left to right'], ['/', 'search: a text or a regular expression; what it finds is marked in every view'],
  ['Esc', 'back: out of the search, out of a zoom, to the whole run'],
  ['arrows', 'in a graph from box to box, in a table from row to row, in time left and right'], ['Enter', 'in a graph zoom, in a table open'],
  ['s', 'callers and callees of the box'], ['+  -  0', 'in time: zoom in, out, the whole'], ['drag', 'in time: choose a part for all views'],
  ['t', 'light or dark'], ['?', 'this list'],
];

class App {
  constructor(profile, before) {
    Object.assign(this, { profile, before, focus: -1, pattern: null, view: null, viewId: '' });
    this.pick = { measure: profile.measures[0] || null, thread: 0, stage: 0, range: null };
    this.found = profile.find(null);
    this.forget();
    this.fillHead();
    this.fillTabs();
    this.listen();
    this.show(VIEWS.some((view) => '#' + view.id === location.hash) ? location.hash.slice(1) : profile.measures.length > 0 ? 'top' : 'timeline');
  }
  // Sums and trees of a selection are made when first wanted.
  forget() { this.made = {}; }
  keep(key, make) { return this.made[key] === undefined ? (this.made[key] = make()) : this.made[key]; }
  get sums() { return this.keep('sums', () => this.profile.sums(this.pick)); }
  get totals() { return this.keep('totals', () => this.profile.totals(this.sums)); }
  tree(byWeight) { return this.keep(byWeight ? 'heavy' : 'named', () => treeOf(this.profile, this.sums, byWeight)); }
  // Threads and times of another run are others: only the kind is the same.
  beforeSums() {
    return this.keep('before', () => {
      const same = this.pick.measure && this.before.measures.find(([kind, column]) => kind === this.pick.measure[0] && column === this.pick.measure[1]);
      return this.before.sums({ measure: same || null });
    });
  }
  fillHead() {
    const { data } = this.profile, facts = [data.started_at && data.started_at.replace('T', ' ').replace(/\..*|Z$/, ''), formatNs(data.duration_ns)];
    if (data.cpu_ns) facts.push(formatNs(data.cpu_ns) + ' processor time');
    if (data.memory_peak_bytes) facts.push('peak ' + formatBytes(data.memory_peak_bytes));
    facts.push(formatCount(data.dropped) + ' events lost');
    document.title = 'Profile of ' + (data.program || 'a run');
    $('title').firstElementChild.textContent = (data.program || 'profile') + (this.before ? ', two runs' : '');
    $('facts').textContent = facts.filter(Boolean).join(' · ');
    const notes = [...(data.notes || [])];
    if (data.complete === false && !notes.some((note) => /no end|not whole/.test(note))) notes.push('The capture has no end: the run was killed, or the copy was cut.');
    if (notes.length > 0) $('main').before(el('p', { class: 'notes' }, notes.join(' · ')));
    const option = (value, text) => el('option', { value }, text);
    $('measure').replaceChildren(...this.profile.measures.map((measure, i) => option(i, measure[0] + ': ' + measure[2])));
    if (this.profile.measures.length === 0) $('measure').replaceChildren(option(0, 'none'));
    $('thread').replaceChildren(option(0, 'all threads'), ...data.threads.id.map((id, i) => option(i + 1, this.profile.threadName(i + 1))));
    const stages = Array.from(new Set(this.profile.stageOf)).filter(Boolean);
    $('stage').replaceChildren(option(0, 'all stages'), ...stages.map((stage) => option(stage, this.profile.text(stage))));
    $('stage').disabled = stages.length === 0;
    $('keys').replaceChildren(...KEYS.flatMap(([key, what]) => [el('dt', {}, key), el('dd', {}, what)]));
  }
  fillTabs() {
    const tab = (view, i) => ({ type: 'button', role: 'tab', id: 'tab-' + view.id, 'aria-controls': 'main', title: `${view.title} (${i + 1})`, onclick: () => this.show(view.id) });
    $('tabs').replaceChildren(...VIEWS.map((view, i) => el('button', tab(view, i), view.title)));
  }
  listen() {
    const chose = (id, set) => $(id).addEventListener('change', () => { set(Number($(id).value)); this.changed(); });
    chose('measure', (value) => { this.pick.measure = this.profile.measures[value] || null; });
    chose('thread', (value) => { this.pick.thread = value; });
    chose('stage', (value) => { this.pick.stage = value; });
    $('range').addEventListener('click', () => this.setRange(null));
    $('theme').addEventListener('click', () => this.switchTheme());
    $('ask').addEventListener('click', () => $('help').showModal());
    let later = 0;
    $('search').addEventListener('input', () => { clearTimeout(later); later = setTimeout(() => this.search($('search').value), 120); });
    $('search').addEventListener('keydown', (event) => { if (event.key === 'Enter') { clearTimeout(later); this.search($('search').value); } });
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.repaint());
    window.addEventListener('keydown', (event) => this.key(event));
    window.addEventListener('hashchange', () => { if (VIEWS.some((view) => '#' + view.id === location.hash)) this.show(location.hash.slice(1)); });
    this.repaint();
  }
  show(id) {
    const place = VIEWS.find((view) => view.id === id);
    if (this.view) this.view.end();
    this.viewId = id;
    for (const tab of $('tabs').children) {
      const chosen = tab.id === 'tab-' + id;
      tab.setAttribute('aria-selected', chosen);
      if (chosen && this.view) tab.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    }
    this.tell('');
    this.view = place.make(this);
    $('main').setAttribute('aria-labelledby', 'tab-' + id);
    $('main').replaceChildren(this.view.node);
    if (location.hash !== '#' + id) history.replaceState(null, '', '#' + id);
  }
  changed() {
    this.forget();
    this.tellFound();
    this.show(this.viewId);
  }
  sandwich(fn) {
    this.focus = fn;
    this.show('sandwich');
  }
  setRange(range, view) {
    this.pick.range = range;
    $('range').hidden = range === null;
    if (range) $('range').textContent = `${formatNs(range[0])} to ${formatNs(range[1])} ✕`;
    this.forget();
    this.tellFound();
    this.show(view || this.viewId);
  }
  search(text) {
    this.pattern = patternOf(text.trim());
    this.found = this.profile.find(this.pattern);
    this.tellFound();
    this.view.refresh();
  }
  tellFound() {
    let part = 0;
    for (let s = 0; s < this.profile.stacks; s++) if (this.found.stacks[s]) part += this.sums.weight[s];
    $('found').textContent = this.pattern === null ? '' : `${formatCount(this.found.count)} ${this.found.count === 1 ? 'function' : 'functions'}, ${formatShare(part, this.sums.total)}`;
  }
  tell(words) { $('detail').textContent = words; }
  switchTheme() {
    document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
    this.repaint();
  }
  repaint() {
    $('theme').textContent = isDark() ? 'Light' : 'Dark';
    if (this.view) this.view.refresh();
  }
  escape(typing) {
    if ($('search').value || this.pattern) {
      $('search').value = '';
      this.search('');
    } else if (!typing && !this.view.back() && this.pick.range) this.setRange(null);
    if (typing) $('search').blur();
  }
  key(event) {
    if ($('help').open || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = /^(INPUT|SELECT)$/.test(event.target.tagName) && event.target.type !== 'checkbox';
    if (event.key === 'Escape') this.escape(typing);
    else if (typing) return;
    else if (event.key === '/') $('search').select();
    else if (event.key === '?') $('help').showModal();
    else if (event.key === 't') this.switchTheme();
    else if (event.key >= '1' && event.key <= String(VIEWS.length)) { this.show(VIEWS[Number(event.key) - 1].id); this.focusView(); }
    else return;
    event.preventDefault();
  }
  focusView() {
    const into = this.view.node.querySelector('canvas[tabindex], tr[tabindex]');
    (into || $('main')).focus({ preventScroll: true });
  }
}

async function start() {
  try {
    const before = await unpack('before');
    return new App(new Profile(await unpack('data')), before ? new Profile(before) : null);
  } catch (problem) {
    $('main').replaceChildren(emptyView(`The profile in this page cannot be read: ${problem.message}. Write the page again, or use a browser of 2023 or later.`).node);
    throw problem;
  }
}
const started = start(); // tests wait for it
