/** Whether a text fits a mask in which `*` stands for any characters. Time is at most mask times text, whatever they are. */
export function fitsMask(mask: string, text: string): boolean {
  let m = 0;
  let t = 0;
  let star = -1;
  let resumeAt = 0;
  while (t < text.length) {
    if (mask[m] === '*') {
      star = m++;
      resumeAt = t;
    } else if (m < mask.length && mask[m] === text[t]) {
      m++;
      t++;
    } else if (star >= 0) {
      // Only the last star need take more: what earlier ones could give, it can take as well.
      m = star + 1;
      t = ++resumeAt;
    } else {
      return false;
    }
  }
  while (mask[m] === '*') m++;
  return m === mask.length;
}
