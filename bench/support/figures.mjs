// Figures that the benchmarks take and print.

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Median and spread of one figure over the rounds. */
export function summary(list, digits) {
  const range = `${Math.min(...list).toFixed(digits)}–${Math.max(...list).toFixed(digits)}`;
  return `${median(list).toFixed(digits)} (${range})`;
}

/** Sum of one figure of `/metrics` over all its series that have these labels, such as `protocol="rtsp"`; 0 for none. */
export async function metric(port, name, ...labels) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name} `) || line.startsWith(`${name}{`))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}
