/** Zero crossings of the kernel on either side: at 44.1 kHz, flat to 3.3 kHz and 80 dB down from 4.1 kHz. */
const crossings = 24;
/** Of the lower rate's half; what is above folds back at most into the top of the telephone band. */
const rolloff = 0.92;
/** Kaiser's β for a stop band of 80 dB. */
const beta = 8;

/**
 * Any rate to any other, in pieces of any size: a windowed sinc, computed once for each phase that the two rates can
 * have to each other. Linear phase, and its delay is taken out, so the first sample stays the first.
 */
export class Resampler {
  /** The rates in lowest terms: `up` outputs for `down` inputs. */
  readonly #up: number;
  readonly #down: number;
  /** Taps on either side of the point between the two samples that an output falls between. */
  readonly #half: number;
  readonly #taps: Float32Array[];
  /** Input not used up yet, from sample number `#start` on. */
  #held: Float32Array;
  #start: number;
  #inputs = 0;
  #outputs = 0;

  constructor(fromRate: number, toRate: number) {
    const divisor = gcd(fromRate, toRate);
    this.#up = toRate / divisor;
    this.#down = fromRate / divisor;
    const cutoff = 0.5 * Math.min(1, toRate / fromRate) * rolloff;
    this.#half = Math.ceil(crossings / (2 * cutoff));
    this.#taps = Array.from({ length: this.#up }, (_, phase) => taps(phase / this.#up, this.#half, cutoff));
    this.#held = new Float32Array(this.#half - 1);
    this.#start = 1 - this.#half;
  }

  push(input: Float32Array): Float32Array {
    this.#inputs += input.length;
    return this.#take(input, Infinity);
  }

  /** What is left; the whole is as long as the input was, to the sample. */
  end(): Float32Array {
    const total = Math.ceil((this.#inputs * this.#up) / this.#down);
    return this.#take(new Float32Array(this.#half), total);
  }

  #take(input: Float32Array, outputsMax: number): Float32Array {
    const samples = new Float32Array(this.#held.length + input.length);
    samples.set(this.#held);
    samples.set(input, this.#held.length);
    const end = this.#start + samples.length;

    const known = Math.floor(((end - this.#half) * this.#up) / this.#down) + 1;
    const output = new Float32Array(Math.max(0, Math.min(known, outputsMax) - this.#outputs));
    let count = 0;
    for (; count < output.length; count++) {
      const position = this.#outputs * this.#down;
      const before = Math.floor(position / this.#up);
      if (before + this.#half >= end) break;
      const from = before - this.#half + 1 - this.#start;
      output[count] = dot(this.#taps[position % this.#up] ?? samples, samples, from);
      this.#outputs++;
    }

    const next = Math.floor((this.#outputs * this.#down) / this.#up) - this.#half + 1;
    this.#held = samples.slice(Math.max(0, next - this.#start));
    this.#start = end - this.#held.length;
    return output.subarray(0, count);
  }
}

function dot(kernel: Float32Array, samples: Float32Array, from: number): number {
  let sum = 0;
  for (let tap = 0; tap < kernel.length; tap++) sum += (kernel[tap] ?? 0) * (samples[from + tap] ?? 0);
  return sum;
}

/** The kernel for outputs that lie `fraction` of a sample after an input; sums to 1, so that level is kept. */
function taps(fraction: number, half: number, cutoff: number): Float32Array {
  const kernel = new Float32Array(2 * half);
  let sum = 0;
  for (let tap = 0; tap < kernel.length; tap++) {
    const distance = fraction + half - 1 - tap;
    const value = sinc(2 * cutoff * distance) * kaiser(distance / half);
    kernel[tap] = value;
    sum += value;
  }
  return kernel.map((value) => value / sum);
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kaiser = (x: number) => (Math.abs(x) >= 1 ? 0 : bessel0(beta * Math.sqrt(1 - x * x)) / besselAtBeta);

/** Modified Bessel function of the first kind, order 0, by its series. */
function bessel0(x: number): number {
  let [sum, term] = [1, 1];
  for (let k = 1; term > sum * 1e-9; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
const besselAtBeta = bessel0(beta);

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
