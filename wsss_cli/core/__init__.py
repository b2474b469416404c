"""The method: arrays or tensors in, arrays or tensors out; no files, no printing."""
