const stage = element.querySelector(".stage");
const picture = stage.querySelector("img"), paper = stage.querySelector("canvas");
const brushes = [...element.querySelectorAll("[data-brush]")];
const keep = element.querySelector(".keep"), undo = element.querySelector(".undo");
let brush = 0, number = 0;
let current = null, waiting = []; // the stroke that is being drawn; those without an answer

function redraw() {
  const pen = paper.getContext("2d");
  pen.clearRect(0, 0, paper.width, paper.height);
  pen.lineCap = pen.lineJoin = "round";
  const short = Math.min(paper.width, paper.height);
  for (const { path, radius, color } of current ? [...waiting, current] : waiting) {
    for (const [more, ink] of [[6, "#000"], [3, "#fff"], [0, color || "#ddd"]]) {
      pen.lineWidth = 2 * radius * short + more;
      pen.strokeStyle = ink;
      pen.beginPath();
      path.forEach(([x, y]) => pen.lineTo(x * paper.width, y * paper.height));
      pen.lineTo(path.at(-1)[0] * paper.width + 0.01, path.at(-1)[1] * paper.height);
      pen.stroke();
    }
  }
}

function fit() {
  paper.width = picture.naturalWidth;
  paper.height = picture.naturalHeight;
  redraw();
}

function swatches(place, shades, latest) {
  place.replaceChildren(...shades.map((color) => {
    const one = document.createElement("button");
    one.type = "button";
    one.style.background = one.dataset.color = color;
    one.setAttribute("aria-label", color);
    one.setAttribute("aria-pressed", color === latest);
    one.onclick = () => choose(color);
    return one;
  }));
}

function show() {
  const told = props.value || {};
  waiting = waiting.filter((stroke) => stroke.number > (told.number || 0));
  if (picture.src !== (told.picture || "")) picture.src = told.picture || "";
  else redraw();
  undo.disabled = !told.changes;
  element.querySelector(".told").textContent = told.told || "";
  swatches(element.querySelector(".likely"), told.likely || [], told.color);
  swatches(element.querySelector(".others"), told.others || [], told.color);
}

function ask(event, what) {
  element.querySelector(".told").textContent = "Painting …";
  trigger(event, what);
}

function choose(color) {
  ask("select", { color, keep: keep.checked });
}

function at(event) {
  const box = paper.getBoundingClientRect();
  const share = (place, begin, length) => Math.min(1, Math.max(0, (place - begin) / length));
  return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
}

function apart([x, y], [u, v]) {
  return Math.hypot((x - u) * picture.clientWidth, (y - v) * picture.clientHeight);
}

paper.onpointerdown = (event) => {
  if (event.button || !event.isPrimary) return;
  paper.setPointerCapture(event.pointerId);
  const told = props.value || {};
  const color = told.in_hand || keep.checked ? told.color : null;
  current = { path: [at(event)], radius: Number(brushes[brush].dataset.brush), color };
  redraw();
};
paper.onpointermove = (event) => {
  if (!current || !event.isPrimary) return;
  if (apart(at(event), current.path.at(-1)) < 3) return;
  current.path.push(at(event));
  redraw();
};
paper.onpointerup = (event) => {
  if (!current || !event.isPrimary) return;
  current.number = ++number;
  waiting.push(current);
  const { path, radius } = current;
  ask("input", { path, radius, number, keep: keep.checked });
  current = null;
};
paper.onpointercancel = () => { // as where two fingers zoom
  current = null;
  redraw();
};

brushes.forEach((one, i) => {
  one.onclick = () => {
    brush = i;
    brushes.forEach((other) => other.setAttribute("aria-pressed", other === one));
  };
});
brushes[0].click();
undo.onclick = () => ask("undo", {});
element.querySelector("input[type=color]").onchange = (event) => choose(event.target.value);
picture.onload = fit;
watch("value", show);
show();
