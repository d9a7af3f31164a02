/** How pixels between the given ones are found, with antialiasing where a picture gets smaller, as PIL's filters do. */
export type Filter = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

/** How a picture becomes the numbers that an encoder reads; written into a checkpoint's `config.json`. */
export type Preprocessing = {
  /** Height and width in pixels of what the encoder reads. */
  size: [height: number, width: number];
  /**
   * `squash` resizes both sides to `size`; `none` takes pictures of that size alone; others resize to what is given, or the
   * shorter side to `shortestEdge` (the longer one in proportion, rounded down), and `crop` cuts `size` out of it.
   */
  resize: 'squash' | 'none' | { height: number; width: number } | { shortestEdge: number };
  /**
   * Cuts the middle out, or lays a picture that is smaller on black. Where the pixels to be cut are odd in number, `floor`
   * cuts as transformers does and `round` as torchvision.
   */
  crop?: 'floor' | 'round';
  filter: Filter;
  /** What is transparent is laid on white, or, with `drop`, shown as if it were not, as PIL's `convert('RGB')` does. */
  alpha?: 'white' | 'drop';
  /** A pixel value p of 0..255 enters as (p - mean) * scale; three numbers are those of red, green and blue. */
  mean: number | [red: number, green: number, blue: number];
  scale: number | [red: number, green: number, blue: number];
};
