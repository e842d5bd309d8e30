"use strict";
// What CSS cannot do: keep what was chosen in the address, and save pictures. The page is whole
// without it.

const form = document.querySelector(".choose");
const chosen = ["metric", "scenario", "baseline", "order"];

// The address says what differs from how the page opens: ?metric=memory&hide=numpy-cpu
function write() {
  const state = new URLSearchParams();
  for (const name of chosen) {
    const radio = form.querySelector(`input[name=${name}]:checked`);
    if (!radio.defaultChecked) state.set(name, radio.value);
  }
  for (const box of form.querySelectorAll("[name=show]:not(:checked)")) state.append("hide", box.value);
  const query = state.size ? `?${state}` : "";
  history.replaceState(null, "", location.pathname + query + location.hash);
}

function read() {
  const state = new URLSearchParams(location.search);
  for (const input of form.querySelectorAll("input")) {
    if (state.get(input.name) === input.value) input.checked = true;
    if (input.name === "show" && state.getAll("hide").includes(input.value)) input.checked = false;
  }
  form.querySelector("details").open = ["baseline", "order", "hide"].some((name) => state.has(name));
}

form.addEventListener("change", write);
form.addEventListener("submit", (event) => event.preventDefault());
read();

function save(name, address) {
  const link = document.createElement("a");
  link.download = name;
  link.href = address;
  link.click();
}

// The picture as a file of its own: in the page's font, dark on white.
function file(svg) {
  const copy = svg.cloneNode(true);
  const { width, height } = svg.viewBox.baseVal;
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  copy.setAttribute("font-family", getComputedStyle(svg.querySelector("text")).fontFamily);
  copy.setAttribute("style", "color: #101214; background: #fff");
  return new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
}

async function png(svg) {
  const picture = new Image();
  picture.src = URL.createObjectURL(file(svg));
  await picture.decode();
  const canvas = document.createElement("canvas");
  const scale = 2;
  canvas.width = scale * picture.width;
  canvas.height = scale * picture.height;
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png");
}

for (const place of document.querySelectorAll(".save")) {
  const { name, words } = place.dataset;
  const svg = place.closest("figure").querySelector("svg");
  const ways = {
    SVG: () => save(`${name}.svg`, URL.createObjectURL(file(svg))),
    PNG: async () => save(`${name}.png`, await png(svg)),
  };
  for (const [kind, way] of Object.entries(ways)) {
    const button = document.createElement("button");
    button.textContent = kind;
    button.setAttribute("aria-label", `${words} ${name}.${kind.toLowerCase()}`);
    button.addEventListener("click", way);
    place.append(button, " ");
  }
}
