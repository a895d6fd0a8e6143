// Figures in words. Pure.

// Nobody counts the digits of what is larger.
const MOST_DIGITS = 1e15;
const COUNT = new Intl.NumberFormat("en");
const BINARY = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const DECIMAL = ["", "k", "M", "G", "T"];

/** A count, with its thousands apart. */
export function count(number) {
  return size(number) < MOST_DIGITS ? COUNT.format(number) : number.toExponential(2);
}

/** A count with its noun: `1 process`, `2 processes`. */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** Three significant digits, as many as a glance takes in. */
export function short(number) {
  const size = Math.abs(number);
  if (!Number.isFinite(number)) return "–";
  if (size === 0) return "0";
  if (size >= 100) return count(Math.round(number));
  if (size >= 10) return trim(number.toFixed(1));
  if (size >= 1) return trim(number.toFixed(2));
  return size >= 0.001 ? trim(number.toPrecision(2)) : number.toExponential(1);
}

/** Reports per second, with their noun. */
export function perSecond(number) {
  const shown = short(number);
  return `${shown} ${shown === "1" ? "report" : "reports"}/s`;
}

/** A percentage. */
export function percent(number) {
  return `${size(number) >= 10 || number === 0 ? count(Math.round(number)) : number.toFixed(1)} %`;
}

/** Bytes in binary units. */
export function bytes(number) {
  let [value, power] = [number, 0];
  while (size(value) >= 1024 && power < BINARY.length - 1) [value, power] = [value / 1024, power + 1];
  return `${power === 0 ? short(value) : digits(value)} ${BINARY[power]}`;
}

/** MiB, as reports count memory. */
export function mebibytes(number) {
  return bytes(number * 1024 * 1024);
}

/** How long, in its two largest units: `3d 4h`, `2m 5s`, `480 ms`. */
export function duration(seconds) {
  if (seconds < 0.001 && seconds > 0) return `${short(seconds * 1e6)} µs`;
  if (seconds < 1) return seconds === 0 ? "0 s" : `${short(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds < 10 && !Number.isInteger(seconds) ? trim(seconds.toFixed(1)) : Math.floor(seconds)} s`;
  const whole = Math.floor(seconds);
  const [days, hours, minutes] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days >= MOST_DIGITS) return `${count(days)}d`;
  if (days > 0) return join(days, "d", hours, "h");
  if (hours > 0) return join(hours, "h", minutes, "m");
  return join(minutes, "m", whole % 60, "s");
}

/** How long ago, in one unit. Clocks differ by a little, so what is in the future is now. */
export function ago(seconds) {
  if (seconds < 1.5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h ago`;
  return `${Math.floor(seconds / 86400)}d ago`;
}

/** A metric's value with its unit (UCUM) as people write it. */
export function quantity(value, unit) {
  if (typeof value !== "number") return "–";
  if (unit === "By") return bytes(value);
  if (unit === "By/s") return `${bytes(value)}/s`;
  if (unit === "KiBy" || unit === "kBy") return bytes(value * 1024);
  if (unit === "MiBy") return mebibytes(value);
  if (unit === "s") return value < 0 ? `${short(value)} s` : duration(value);
  if (unit === "ms") return value < 0 ? `${short(value)} ms` : duration(value / 1000);
  if (unit === "us") return value < 0 ? `${short(value)} µs` : duration(value / 1e6);
  if (unit === "%") return percent(value);
  if (unit === "Cel") return `${short(value)} °C`;
  if (unit === "1" || !unit) return scaled(value);
  return `${scaled(value)} ${unit.replace(/[{}]/g, "")}`;
}

/** What a histogram says in one line, and how the unit reads there. */
export function histogram({ bounds = [], counts = [], sum }, unit) {
  const total = counts.reduce((all, some) => all + some, 0);
  if (total === 0) return "no values yet";
  const mean = typeof sum === "number" ? ` · mean ${quantity(sum / total, unit)}` : "";
  const quantiles = [0.5, 0.99].map((part) => `p${part * 100} ${quantile(bounds, counts, total * part, unit)}`);
  return `${counted(total, "value")}${mean} · ${quantiles.join(" · ")}`;
}

// A histogram knows no more of a value than the bucket that it is in.
function quantile(bounds, counts, rank, unit) {
  let seen = 0;
  for (const [index, some] of counts.entries()) {
    seen += some;
    if (seen < rank) continue;
    if (index < bounds.length) return `≤ ${quantity(bounds[index], unit)}`;
    break;
  }
  return bounds.length > 0 ? `> ${quantity(bounds.at(-1), unit)}` : "unknown";
}

function scaled(value) {
  if (size(value) < 10_000) return short(value);
  let [number, power] = [value, 0];
  while (size(number) >= 1000 && power < DECIMAL.length - 1) [number, power] = [number / 1000, power + 1];
  return `${digits(number)}${DECIMAL[power]}`;
}

function digits(value) {
  return size(value) >= 100 ? count(Math.round(value)) : size(value) >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function join(large, largeUnit, little, littleUnit) {
  return little > 0 ? `${large}${largeUnit} ${little}${littleUnit}` : `${large}${largeUnit}`;
}

function trim(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function size(value) {
  return Math.abs(value);
}
