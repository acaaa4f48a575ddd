"""Training: compositions, performances of them, their sound, and the networks that learn from it.

Nothing here is imported at run time; it needs the extra `train`, FluidSynth and its soundfonts.
"""
