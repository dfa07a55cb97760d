package manifest

// Name says what a stream is, for people: verify and diff name files by it. It is not needed to restore.
type Name struct {
	Stream uint32 // stream number, ascending in the table
	Volume int    // index into Manifest.Volumes
	Number uint64 // inode or record number; 0 for metadata
	Size   int64  // bytes of the file; for metadata the length of the volume
	Path   string // as stored on the volume, "/" separated, without a leading one; "" for metadata
}
