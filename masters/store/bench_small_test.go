//go:build !soak

package store

// collectChunks is how many chunks of 4 KiB the collection is measured with: 256 MiB of packs. With the tag soak it is
// the bar's 8 GiB.
const collectChunks = 64 << 10
