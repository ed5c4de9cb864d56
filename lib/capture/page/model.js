// The profile: what "qloader prof convert --to json" writes (docs/internals/capture.md), as typed arrays with functions told apart by name, file and line.

async function unpack(id) {
  const holder = $(id);
  if (!holder) return null;
  const packed = Uint8Array.from(atob(holder.textContent.trim()), (letter) => letter.charCodeAt(0));
  holder.remove();
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}

const MEASURES = [ // kind, column, label, format
  ['cpu', 'cpu', 'processor time', 'ns'], ['wall', 'wall', 'time that passed', 'ns'], ['contention', 'delay', 'waiting for locks and queues', 'ns'],
  ['heap', 'inuse_space', 'memory in use', 'bytes'], ['heap', 'alloc_space', 'memory allocated', 'bytes'], ['heap', 'peak_space', 'memory at the peak', 'bytes'],
  ['heap', 'leak_space', 'memory not freed and old', 'bytes'],
];

class Profile {
  constructor(data) {
    this.data = data;
    this.text = (index) => data.strings[index] || '';
    this.name = []; this.file = []; this.line = []; this.module = [];
    const groups = new Map(), of = data.functions;
    const group = Int32Array.from(of.name, (name, i) => {
      const key = name + ' ' + of.file[i] + ' ' + of.line[i];
      let at = groups.get(key);
      if (at === undefined) {
        at = this.name.length;
        groups.set(key, at);
        this.name.push(this.text(name)); this.file.push(this.text(of.file[i])); this.module.push(this.text(of.module[i])); this.line.push(of.line[i]);
      }
      return at;
    });
    this.count = this.name.length;
    const frame = Int32Array.from(data.frames.function, (index) => group[index]);
    let total = 0;
    for (const stack of data.stacks) total += stack.length;
    this.first = new Int32Array(data.stacks.length + 1);
    this.frames = new Int32Array(total); // functions, leaf first
    let at = 0;
    data.stacks.forEach((stack, i) => {
      for (let k = 0; k < stack.length; k++) this.frames[at++] = frame[stack[k]];
      this.first[i + 1] = at;
    });
    this.stacks = data.stacks.length;
    data.stacks = null;
    this.rank = new Int32Array(this.count); // place of each function in the order of names
    Array.from(this.name.keys()).sort((a, b) => (this.name[a] < this.name[b] ? -1 : this.name[a] > this.name[b] ? 1 : 0)).forEach((fn, i) => { this.rank[fn] = i; });
    this.measures = MEASURES.filter(([kind, column]) => data.samples[kind] && data.samples[kind].stack.length > 0 && data.samples[kind].values[column]);
    this.stageOf = data.labels.map((set) => { for (let i = 0; i < set.length; i += 2) if (this.text(set[i]) === 'stage') return set[i + 1]; return 0; });
  }
  place(fn) { return this.file[fn] ? baseName(this.file[fn]) + (this.line[fn] ? ':' + this.line[fn] : '') : baseName(this.module[fn]); }
  title(fn) { return this.name[fn] + (this.file[fn] ? ' (' + this.place(fn) + ')' : ''); }
  threadName(index) { // index + 1; 0: not known
    if (index === 0) return 'no thread';
    return (this.text(this.data.threads.name[index - 1]) || 'thread') + ' ' + this.data.threads.id[index - 1];
  }
  // Whether sample i of a set counts under a selection.
  takes(set, i, pick) {
    return (!pick.thread || set.thread[i] === pick.thread) && (!pick.stage || this.stageOf[set.labels[i]] === pick.stage) &&
      (!pick.range || (set.at_ns[i] >= pick.range[0] && set.at_ns[i] < pick.range[1]));
  }
  // Weight and count of samples of every stack under a selection.
  sums(pick) {
    const weight = new Float64Array(this.stacks), samples = new Float64Array(this.stacks);
    let total = 0, count = 0;
    if (pick.measure) {
      const set = this.data.samples[pick.measure[0]], values = set.values[pick.measure[1]];
      for (let i = 0; i < values.length; i++) {
        if (!this.takes(set, i, pick)) continue;
        weight[set.stack[i]] += values[i];
        samples[set.stack[i]]++;
        total += values[i];
        count++;
      }
    }
    return { weight, samples, total, count };
  }
  // Of every function: own part, part with what it calls (a recursion counts once), samples that have it.
  totals(sums) {
    const own = new Float64Array(this.count), all = new Float64Array(this.count), samples = new Float64Array(this.count), stamp = new Int32Array(this.count);
    for (let s = 0; s < this.stacks; s++) {
      if (sums.samples[s] === 0) continue;
      const begin = this.first[s], end = this.first[s + 1], weight = sums.weight[s];
      if (begin === end) continue;
      own[this.frames[begin]] += weight;
      for (let k = begin; k < end; k++) {
        const fn = this.frames[k];
        if (stamp[fn] === s + 1) continue;
        stamp[fn] = s + 1;
        all[fn] += weight;
        samples[fn] += sums.samples[s];
      }
    }
    return { own, all, samples };
  }
  // Functions that a pattern finds, stacks that have one of them.
  find(pattern) {
    const fns = new Uint8Array(this.count), stacks = new Uint8Array(this.stacks);
    let count = 0;
    if (pattern === null) return { fns, stacks, count };
    for (let fn = 0; fn < this.count; fn++) if (this.name[fn] && (pattern.test(this.name[fn]) || pattern.test(this.file[fn]))) { fns[fn] = 1; count++; }
    for (let s = 0; s < this.stacks; s++) for (let k = this.first[s]; k < this.first[s + 1]; k++) if (fns[this.frames[k]]) { stacks[s] = 1; break; }
    return { fns, stacks, count };
  }
}

// A tree of calls in columns. Node 0 is the root; a node comes after its parent. Children are found by open addressing: a Map of numbers costs ten times as much.
class CallTree {
  constructor() {
    this.capacity = 1024;
    this.size = 1;
    this.fn = new Int32Array(this.capacity).fill(-1);
    this.parent = new Int32Array(this.capacity).fill(-1);
    this.total = new Float64Array(this.capacity);
    this.own = new Float64Array(this.capacity);
    this.slots = new Int32Array(4096);
  }
  grow() {
    this.capacity *= 2;
    for (const column of ['fn', 'parent', 'total', 'own']) {
      const wider = new this[column].constructor(this.capacity);
      wider.set(this[column]);
      this[column] = wider;
    }
    this.slots = new Int32Array(this.capacity * 4);
    for (let node = 1; node < this.size; node++) this.slots[this.slot(this.parent[node], this.fn[node])] = node;
  }
  slot(parent, fn) {
    const mask = this.slots.length - 1;
    let at = (Math.imul(parent, 0x9e3779b1) ^ Math.imul(fn + 1, 0x85ebca6b));
    at = (at ^ (at >>> 15)) & mask;
    for (let node = this.slots[at]; node !== 0; node = this.slots[at]) {
      if (this.parent[node] === parent && this.fn[node] === fn) return at;
      at = (at + 1) & mask;
    }
    return at;
  }
  child(parent, fn) {
    let at = this.slot(parent, fn);
    if (this.slots[at] !== 0) return this.slots[at];
    if (this.size === this.capacity) { this.grow(); at = this.slot(parent, fn); }
    this.fn[this.size] = fn;
    this.parent[this.size] = parent;
    this.slots[at] = this.size;
    return this.size++;
  }
  // Children in order, places from left to right, depths.
  finish(profile, byWeight) {
    const n = this.size, first = new Int32Array(n + 2);
    for (let i = 1; i < n; i++) first[this.parent[i] + 2]++;
    for (let i = 2; i < n + 2; i++) first[i] += first[i - 1];
    this.children = new Int32Array(n);
    for (let i = 1; i < n; i++) this.children[first[this.parent[i] + 1]++] = i;
    this.first = first; // of node i: children[first[i]] to children[first[i + 1] - 1]
    this.x = new Float64Array(n);
    this.depth = new Int32Array(n);
    this.deepest = 0;
    const order = byWeight ? (a, b) => this.total[b] - this.total[a] || profile.rank[this.fn[a]] - profile.rank[this.fn[b]]
      : (a, b) => profile.rank[this.fn[a]] - profile.rank[this.fn[b]];
    for (let i = 0; i < n; i++) {
      const begin = first[i], end = first[i + 1];
      if (end - begin > 1) this.children.subarray(begin, end).sort(order);
      let x = this.x[i];
      for (let k = begin; k < end; k++) {
        const node = this.children[k];
        this.x[node] = x;
        x += this.total[node];
        this.depth[node] = this.depth[i] + 1;
      }
      if (this.depth[i] > this.deepest) this.deepest = this.depth[i];
    }
    return this;
  }
}

// focus -1: the whole tree. Else the root is a function, below it what it calls (from its outermost frame), or with `callers` what calls it (from its innermost).
function treeOf(profile, sums, byWeight, focus = -1, callers = false) {
  const tree = new CallTree(), frames = profile.frames;
  for (let s = 0; s < profile.stacks; s++) {
    const weight = sums.weight[s];
    if (weight <= 0) continue;
    let begin = profile.first[s], end = profile.first[s + 1];
    if (focus >= 0) {
      let at = -1;
      for (let k = begin; k < end; k++) if (frames[k] === focus) { at = k; if (callers) break; }
      if (at < 0) continue;
      if (callers) begin = at + 1; else end = at;
    }
    let node = 0;
    tree.total[0] += weight;
    for (let i = 0; i < end - begin; i++) {
      node = tree.child(node, frames[callers ? begin + i : end - 1 - i]);
      tree.total[node] += weight;
    }
    tree.own[node] += weight;
  }
  return tree.finish(profile, byWeight);
}
