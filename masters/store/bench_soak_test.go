//go:build soak

package store

// collectChunks is how many chunks of 4 KiB the collection is measured with: 8 GiB of packs.
const collectChunks = 2 << 20
