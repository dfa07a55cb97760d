package capture

import "io"

// Options of Run.
type Options struct {
	Disk       io.ReaderAt // only read
	Size       int64       // of Disk, bytes
	SectorSize int         // logical, bytes: 512 or 4096
	Sink       Sink        // takes the chunks
	Names      io.Writer   // takes the encoded names table
	AsIs       bool        // take volumes that are not clean as raw bytes instead of refusing
	Level      int         // of zstd, 1 (fast) ..= 22; 0 means 1
	Progress   func(Progress)
}

// Progress says how far a capture is. It is told about once per batch, from one goroutine at a time.
type Progress struct {
	Done  int64 // bytes of kept content looked at
	Total int64 // bytes of kept content on the disk
	Sent  int64 // bytes of frames put into the sink
}

// Report says what a capture did.
type Report struct {
	ReadBytes  int64    // read from the disk for chunks; the reading of tables and file systems not counted
	Streams    int      // files and volumes
	Chunks     int      // entries of the manifest
	SentChunks int      // frames that the sink wanted
	SentBytes  int64    // their bytes, headers included
	Warnings   []string // sentences for a person
}
