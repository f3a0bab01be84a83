"""What adversarial tasks share: latents, penalties on slopes, and the judgement of samples."""
