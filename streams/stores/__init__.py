"""Where truth lives: ports (blobs, vectors, catalogue, read model) and what stands behind them."""
