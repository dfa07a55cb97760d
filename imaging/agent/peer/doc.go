// Package peer lets a computer that holds a proven master give its chunks to others.
//
// Sources: section 8 of the project's design (finished PCs serve chunks to others over HTTPS); imaging/job, peer.go (who
// finds whom); RFC 8446 (TLS 1.3).
//
//	POST /frames, token, ids --> find the chunk in the manifest --> read its pieces --> BLAKE3 is the id? --> frame
//	                                                                                      no: next place, else refused
//
// Guaranteed: nothing is sent but chunks of the master that are proven by hash as they are sent, so neither a rotten disk
// nor what this computer has of its own (exceptions) leaves it; and only to who shows the token. What strangers can make
// it hold is bounded: connections, requests at a time, bytes and time of each. Not guaranteed: that it has all chunks.
// Who asks proves this computer by its key, and each chunk by its hash.
package peer
