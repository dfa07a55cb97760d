package store

import "golang.org/x/sys/unix"

// heapLimit is the size below which a region lies on the Go heap, bytes.
const heapLimit = 64 << 10

// region is memory for one shard of the index. Large ones lie outside the Go heap: there the collector would let
// garbage grow to the size of the index before it runs, and resident memory with it.
type region struct {
	bytes  []byte
	mapped bool
}

func allocate(n int) region {
	if n < heapLimit {
		return region{bytes: make([]byte, n)}
	}
	b, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_POPULATE)
	if err != nil {
		return region{bytes: make([]byte, n)} // as good, only less tidy
	}
	return region{bytes: b, mapped: true}
}

// release gives the memory back. Nobody may hold a part of it.
func (r *region) release() {
	if r.mapped {
		_ = unix.Munmap(r.bytes) // it is what Mmap gave
	}
	*r = region{}
}
