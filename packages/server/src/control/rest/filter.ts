/** True when the object has all values of the filter; fields of the filter that are undefined do not count. */
export function matches(object: object, filter: object): boolean {
  for (const [field, value] of Object.entries(filter)) {
    if (value !== undefined && object[field as keyof typeof object] !== value) return false;
  }
  return true;
}

/** True when the filter asks for nothing. */
export function isEmpty(filter: object): boolean {
  return Object.values(filter).every((value) => value === undefined);
}
