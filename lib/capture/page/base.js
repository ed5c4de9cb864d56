'use strict';
// Elements, numbers as people read them, colours. Text of a capture only ever becomes text nodes: nothing in it is markup.

const $ = (id) => document.getElementById(id);

function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function formatNs(ns) {
  const size = Math.abs(ns);
  if (size >= 60e9) return (ns / 60e9).toFixed(2) + ' min';
  if (size >= 1e9) return (ns / 1e9).toFixed(2) + ' s';
  if (size >= 1e6) return (ns / 1e6).toFixed(2) + ' ms';
  if (size >= 1e3) return (ns / 1e3).toFixed(1) + ' µs';
  return Math.round(ns) + ' ns';
}

function formatBytes(bytes) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  while (Math.abs(bytes) >= 1024 && at < units.length - 1) { bytes /= 1024; at++; }
  return (at === 0 ? Math.round(bytes) : bytes.toFixed(1)) + ' ' + units[at];
}

const formatCount = (count) => Math.round(count).toLocaleString('en');
const formatShare = (part, whole) => (whole > 0 ? (100 * part / whole).toFixed(1) : '0.0') + ' %';
// "5 s" of "5.00 s", as a scale has it; "80 s" rather than "1.33 min".
const formatMark = (ns) => (ns === 0 ? '0' : ns >= 60e9 && ns % 30e9 !== 0 ? +(ns / 1e9).toFixed(3) + ' s' : formatNs(ns).replace(/\.0+ /, ' ').replace(/(\.\d*?)0+ /, '$1 '));
const FORMATS = { ns: formatNs, bytes: formatBytes, count: formatCount };
const baseName = (path) => path.slice(path.lastIndexOf('/') + 1);

function hashOf(text) {
  let hash = 2166136261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16777619);
  return hash >>> 0;
}

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
const isDark = () => getComputedStyle(document.documentElement).colorScheme === 'dark';

// One hue a source file, or module where that is not known, so that what belongs together is seen; a shade a function.
function colourOf(place, name, dark) {
  const hue = hashOf(place) % 360, shade = hashOf(name) % 12;
  return dark ? `hsl(${hue} 38% ${27 + shade}%)` : `hsl(${hue} 62% ${74 + shade}%)`;
}

// Of spans, which are often a pixel wide: stronger.
function colourOfSpan(name, dark) {
  const hue = hashOf(name) % 360;
  return dark ? `hsl(${hue} 45% 42%)` : `hsl(${hue} 60% 68%)`;
}

// A pattern that is no regular expression is looked for as it stands.
function patternOf(text) {
  if (!text) return null;
  try { return new RegExp(text, 'i'); } catch { return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i'); }
}

// A canvas that stays in view while its pane scrolls over `height` pixels; draw(context, width, height, top) is called once a frame at most.
class Scene {
  constructor(label, draw) {
    this.draw = draw;
    this.canvas = el('canvas', { tabindex: 0, role: 'img', 'aria-label': label });
    this.spacer = el('div');
    this.pane = el('div', { class: 'pane' }, this.canvas, this.spacer);
    this.pane.addEventListener('scroll', () => this.paint());
    this.watcher = new ResizeObserver(() => this.paint());
    this.watcher.observe(this.pane);
    this.height = 0;
    this.waiting = false;
  }
  get width() { return this.pane.clientWidth; }
  get top() { return this.pane.scrollTop; }
  paint() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.now(); });
  }
  now() {
    const width = this.pane.clientWidth, height = this.pane.clientHeight, scale = window.devicePixelRatio || 1;
    if (width === 0 || height === 0) return;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.height = height + 'px';
    this.spacer.style.height = Math.max(0, this.height - height) + 'px';
    const context = this.canvas.getContext('2d');
    context.scale(scale, scale);
    context.font = '12px system-ui, "DejaVu Sans", sans-serif';
    context.textBaseline = 'middle';
    this.draw(context, width, height, this.pane.scrollTop);
  }
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top + this.pane.scrollTop };
  }
  end() { this.watcher.disconnect(); }
}

// Text cut to what fits; characters are taken as 6.6 pixels wide, and measured only where that says it is close.
function fitText(context, text, room) {
  if (room < 18) return '';
  if (text.length * 8.5 <= room || context.measureText(text).width <= room) return text;
  let keep = Math.max(1, Math.floor(room / 6.6) - 1);
  while (keep > 1 && context.measureText(text.slice(0, keep) + '…').width > room) keep = Math.floor(keep * 0.9);
  return keep < 2 ? '' : text.slice(0, keep) + '…';
}
