"use strict";
// Shares, entropies and their intervals, by the definitions of `snakemake variability`.
(() => {
  const DRAWS = 500;
  const COVERAGE = 0.95;
  const Z = 1.959963984540054; // of a normal distribution, for 95 %

  const bits = (share) => (share > 0 ? -share * Math.log2(share) : 0);

  // Entropy in bits of a share: 0 where all cells show a class or none, 1 where half of them do.
  const binaryEntropy = (share) => bits(share) + bits(1 - share);

  // Entropy in bits of calls over the classes, from the number of calls of each; NaN without any call.
  function classEntropy(counts) {
    let total = 0;
    for (const count of counts) total += count;
    if (!total) return NaN;
    let sum = 0;
    for (const count of counts) sum += bits(count / total);
    return sum;
  }

  // 95 % interval of Wilson (1927) of a share.
  function wilson(shown, cells) {
    if (!cells) return [NaN, NaN];
    const share = shown / cells;
    const scale = 1 + Z * Z / cells;
    const middle = (share + Z * Z / (2 * cells)) / scale;
    const half = Z / scale * Math.sqrt(share * (1 - share) / cells + Z * Z / (4 * cells * cells));
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  }

  // Random numbers in (0, 1) that are the same for the same text (splitmix32).
  function generator(text) {
    let state = 0;
    for (const letter of text) state = Math.imul(state ^ letter.codePointAt(0), 0x9e3779b1) >>> 0;
    return () => {
      state = (state + 0x9e3779b9) >>> 0;
      let value = state ^ (state >>> 16);
      value = Math.imul(value, 0x21f0aaad);
      value ^= value >>> 15;
      value = Math.imul(value, 0x735a2d97);
      return (((value ^ (value >>> 15)) >>> 0) + 0.5) / 2 ** 32;
    };
  }

  // A binomial number: exact for small n p, else by the normal distribution.
  function binomial(count, share, random) {
    if (share > 0.5) return count - binomial(count, 1 - share, random);
    if (count * share < 50) {
      // Trials up to each success are geometric.
      const scale = Math.log1p(-share);
      let found = -1;
      for (let trials = 0; trials <= count; found++) trials += scale ? Math.ceil(Math.log(random()) / scale) : Infinity;
      return found;
    }
    const gauss = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    return Math.min(count, Math.max(0, Math.round(count * share + gauss * Math.sqrt(count * share * (1 - share)))));
  }

  // Quantile of sorted values, linear between them.
  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    return sorted[low] + (place - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
  }

  // Bootstrap interval of the entropy over the classes; [NaN, NaN] without calls. patterns: bit masks of the classes
  // that cells show, with the number of cells of each: Map(mask -> cells). name: text that decides the random numbers.
  function entropyInterval(patterns, classes, name) {
    const random = generator(name);
    const entries = [...patterns];
    const cells = entries.reduce((sum, [, count]) => sum + count, 0);
    const found = [];
    for (let draw = 0; draw < DRAWS; draw++) {
      const counts = new Float64Array(classes);
      let [left, rest] = [cells, cells];
      for (const [mask, count] of entries) {
        // Cells drawn with this pattern, given those that are drawn with earlier ones.
        const drawn = rest === count ? left : binomial(left, count / rest, random);
        for (let index = 0; index < classes; index++) if (mask >>> index & 1) counts[index] += drawn;
        left -= drawn;
        rest -= count;
      }
      const entropy = classEntropy(counts);
      if (!Number.isNaN(entropy)) found.push(entropy);
    }
    if (!found.length) return [NaN, NaN];
    found.sort((one, other) => one - other);
    return [quantile(found, 0.5 - COVERAGE / 2), quantile(found, 0.5 + COVERAGE / 2)];
  }

  puzzlecell.intervals = { DRAWS, binaryEntropy, classEntropy, wilson, entropyInterval };
})();
