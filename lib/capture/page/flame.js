// A tree of calls as boxes: width is weight. Only what is seen is drawn, so that the size of the tree does not matter once it is built.

const ROW = 19;
const NARROWEST = 0.4; // pixels

class Flame {
  // paint(node) is a colour of its own for a node, or nothing; about(node) more words for the line below.
  constructor(app, tree, options) {
    Object.assign(this, { app, tree, profile: app.profile, flip: false, format: formatNs, ...options });
    this.zoom = 0;
    this.chosen = -1;
    this.shades = new Map();
    this.scene = new Scene(this.label + '. Arrow keys walk, Enter zooms, s shows callers and callees, Escape goes back.', (...what) => this.draw(...what));
    const canvas = this.scene.canvas;
    canvas.addEventListener('mousemove', (event) => this.point(event));
    canvas.addEventListener('mouseleave', () => this.choose(-1));
    canvas.addEventListener('click', (event) => { this.point(event); if (this.chosen >= 0) this.zoomTo(this.chosen); });
    canvas.addEventListener('dblclick', () => this.sandwich());
    canvas.addEventListener('keydown', (event) => this.key(event));
    this.scene.height = (tree.deepest + 1) * ROW + 4;
  }
  get node() { return this.scene.pane; }
  end() { this.scene.end(); }
  refresh() { this.shades.clear(); this.scene.paint(); }
  scaleOf(width) { return width / (this.tree.total[this.zoom] || 1); }
  // Where a row of boxes begins. Upside down the root is at the bottom of what can be scrolled to.
  rowY(depth, height) { return this.flip ? Math.max(this.scene.height, height) - (depth + 1) * ROW : depth * ROW; }

  draw(context, width, height, top) {
    if (this.flip && !this.view && this.scene.height > height) { // it begins at its root, below
      this.view = { width, height, top, scale: this.scaleOf(width) };
      this.scene.pane.scrollTop = this.scene.height;
      top = this.scene.pane.scrollTop;
    }
    context.clearRect(0, 0, width, height);
    this.dark = isDark();
    this.ink = colour('frame-text');
    this.page = colour('page');
    this.context = context;
    this.view = { width, height, top, scale: this.scaleOf(width) };
    const path = [];
    for (let node = this.tree.parent[this.zoom]; node >= 0; node = this.tree.parent[node]) path.push(node);
    for (const node of path) this.box(node, 0, width, 0.55);
    this.walk(this.zoom);
    if (this.chosen >= 0) this.outline(this.chosen);
  }
  walk(from) {
    const { tree } = this, { scale, width, top, height } = this.view, left = tree.x[from], todo = [from];
    while (todo.length > 0) {
      const node = todo.pop(), w = tree.total[node] * scale;
      this.box(node, (tree.x[node] - left) * scale, w, 1);
      const y = this.rowY(tree.depth[node] + 1, height) - top;
      if (this.flip ? y < -ROW : y > height) continue;
      for (let k = tree.first[node]; k < tree.first[node + 1]; k++) {
        const child = tree.children[k], w = tree.total[child] * scale;
        if (w >= NARROWEST && (tree.x[child] - left) * scale < width) todo.push(child);
        else if (this.byWeight && w < NARROWEST) break;
      }
    }
  }
  shade(fn) {
    let made = this.shades.get(fn);
    if (made === undefined) this.shades.set(fn, made = colourOf(baseName(this.profile.file[fn] || this.profile.module[fn]), this.profile.name[fn], this.dark));
    return made;
  }
  box(node, x, w, strength) {
    const { context, tree } = this, { height, top } = this.view, y = this.rowY(tree.depth[node], height) - top;
    if (y < -ROW || y > height) return;
    const fn = tree.fn[node], found = this.app.found, hit = fn >= 0 && found.fns[fn] === 1;
    context.globalAlpha = found.count > 0 && !hit ? strength * 0.42 : strength;
    context.fillStyle = fn < 0 ? colour('panel') : (this.paint && this.paint(node)) || this.shade(fn);
    context.fillRect(x, y, Math.max(w - 0.6, 0.4), ROW - 1);
    if (hit) {
      context.globalAlpha = 1;
      context.fillStyle = colour('hit');
      context.fillRect(x, y + ROW - 4, Math.max(w - 0.6, 0.6), 3);
    }
    if (w > 20) {
      context.globalAlpha = strength < 1 || (found.count > 0 && !hit) ? 0.75 : 1;
      context.fillStyle = this.ink;
      context.fillText(fitText(context, fn < 0 ? this.rootName : this.profile.name[fn] || '?', w - 7), x + 4, y + ROW / 2);
    }
    context.globalAlpha = 1;
  }
  spot(node) { // x and width of a node in the picture
    const { scale, width } = this.view, { tree } = this;
    let inside = node;
    while (inside >= 0 && inside !== this.zoom) inside = tree.parent[inside];
    return inside < 0 ? [0, width] : [(tree.x[node] - tree.x[this.zoom]) * scale, tree.total[node] * scale];
  }
  outline(node) {
    const [x, w] = this.spot(node);
    this.context.strokeStyle = this.ink;
    this.context.lineWidth = 1.5;
    this.context.strokeRect(x + 0.75, this.rowY(this.tree.depth[node], this.view.height) - this.view.top + 0.75, Math.max(w - 2, 1), ROW - 2.5);
  }
  // The node at a place of the picture, -1.
  at({ x, y }) {
    if (!this.view) return -1;
    const { tree } = this, { width, height, scale } = this.view;
    const depth = this.flip ? Math.floor((Math.max(this.scene.height, height) - y) / ROW) : Math.floor(y / ROW);
    if (depth < 0) return -1;
    let node = this.zoom;
    if (depth <= tree.depth[node]) {
      while (tree.depth[node] > depth) node = tree.parent[node];
      return node;
    }
    const value = tree.x[node] + x * tree.total[node] / width, slack = NARROWEST / scale;
    while (node >= 0 && tree.depth[node] < depth) {
      let next = -1;
      for (let k = tree.first[node]; k < tree.first[node + 1] && next < 0; k++) {
        const child = tree.children[k];
        if (value >= tree.x[child] && value < tree.x[child] + tree.total[child] && tree.total[child] >= slack) next = child;
      }
      node = next;
    }
    return node;
  }
  point(event) { this.choose(this.at(this.scene.place(event))); }
  choose(node) {
    if (node === this.chosen) return;
    this.chosen = node;
    this.app.tell(node < 0 ? '' : this.describe(node));
    this.scene.paint();
  }
  describe(node) {
    const { tree, profile, format } = this, fn = tree.fn[node], whole = tree.total[0];
    const words = [fn < 0 ? this.rootName : profile.title(fn), format(tree.total[node]) + ', ' + formatShare(tree.total[node], whole)];
    if (tree.own[node] > 0) words.push('own ' + format(tree.own[node]));
    if (this.about) words.push(this.about(node));
    if (fn >= 0 && profile.module[fn]) words.push(baseName(profile.module[fn]));
    return words.join(' · ');
  }
  zoomTo(node) {
    this.zoom = node;
    this.scene.paint();
  }
  sandwich() { if (this.chosen > 0) this.app.sandwich(this.tree.fn[this.chosen]); }
  back() {
    if (this.zoom === 0) return false;
    this.zoomTo(0);
    return true;
  }
  step(node, by) {
    const parent = this.tree.parent[node];
    if (parent < 0) return node;
    const begin = this.tree.first[parent], end = this.tree.first[parent + 1];
    const at = this.tree.children.subarray(begin, end).indexOf(node) + by;
    return at < 0 || at >= end - begin ? node : this.tree.children[begin + at];
  }
  largestChild(node) {
    let best = node;
    for (let k = this.tree.first[node]; k < this.tree.first[node + 1]; k++) {
      const child = this.tree.children[k];
      if (best === node || this.tree.total[child] > this.tree.total[best]) best = child;
    }
    return best;
  }
  key(event) {
    const node = this.chosen < 0 ? this.zoom : this.chosen, towards = this.flip ? 'ArrowUp' : 'ArrowDown', away = this.flip ? 'ArrowDown' : 'ArrowUp';
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === towards) this.choose(this.chosen < 0 ? node : this.largestChild(node));
    else if (event.key === away) this.choose(Math.max(0, this.tree.parent[node]));
    else if (event.key === 'ArrowLeft') this.choose(this.step(node, -1));
    else if (event.key === 'ArrowRight') this.choose(this.step(node, 1));
    else if (event.key === 'Enter') this.zoomTo(node);
    else if (event.key === 's') this.sandwich();
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.reveal();
  }
  reveal() {
    if (this.chosen < 0 || !this.view) return;
    const y = this.rowY(this.tree.depth[this.chosen], this.view.height), { pane } = this.scene;
    if (y < pane.scrollTop) pane.scrollTop = y;
    else if (y + ROW > pane.scrollTop + pane.clientHeight) pane.scrollTop = y + ROW - pane.clientHeight;
  }
}

function flameView(app, byWeight) {
  if (app.sums.total <= 0) return emptyView('No samples of this kind under this selection.');
  const measure = app.pick.measure;
  return new Flame(app, app.tree(byWeight), { byWeight, flip: !byWeight, rootName: 'all', label: byWeight ? 'Left heavy graph' : 'Flame graph', format: FORMATS[measure[3]] });
}

function sandwichView(app) {
  const { profile, sums } = app, fn = app.focus, format = FORMATS[app.pick.measure ? app.pick.measure[3] : 'ns'];
  if (fn < 0) return emptyView('Choose a function first: a row of Top, or s on a box of a graph; this shows who calls it and what it calls.');
  const trees = [treeOf(profile, sums, true, fn, true), treeOf(profile, sums, true, fn, false)];
  if (trees[0].total[0] <= 0) return emptyView('No samples of ' + profile.title(fn) + ' under this selection.');
  const share = (flame, node) => formatShare(flame.tree.total[node], sums.total) + ' of all';
  const flames = trees.map((tree, i) => {
    const flame = new Flame(app, tree, { byWeight: true, flip: i === 0, rootName: profile.title(fn), label: i === 0 ? 'Callers' : 'Callees', format });
    flame.about = (node) => share(flame, node);
    return flame;
  });
  const { own, all } = app.totals;
  const node = el('div', { class: 'split' },
    el('div', { class: 'bar' }, el('h2', {}, profile.title(fn)),
      el('span', {}, `with what it calls ${format(all[fn])} (${formatShare(all[fn], sums.total)}), own ${format(own[fn])} (${formatShare(own[fn], sums.total)})`)),
    el('div', { class: 'bar' }, 'Callers: up is who calls'), flames[0].node, el('div', { class: 'bar' }, 'Callees: down is what it calls'), flames[1].node);
  return {
    node, flames,
    refresh() { flames.forEach((flame) => flame.refresh()); },
    end() { flames.forEach((flame) => flame.end()); },
    back() { return flames.map((flame) => flame.back()).some(Boolean); },
  };
}

const emptyView = (words) => ({ node: el('p', { class: 'empty' }, words), refresh() {}, end() {}, back() { return false; } });
