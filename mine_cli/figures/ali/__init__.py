"""Pictures of an autoencoder's run: generated.png, reconstructions.png, embeddings.png
(pictures), faithfulness.png (faithfulness); of many runs: compare.png (comparison)."""
