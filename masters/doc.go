// Package masters keeps what a site can put on its computers: named masters, their immutable signed versions, and the
// chunks they are made of. DESIGN.md beside this file has the formats and the orders of writing.
//
//	DIR/
//	  lock                     held by the one process that uses DIR
//	  format                   "ardoise data 1\n"
//	  keys/signing.key         private Ed25519 key that signs versions (package sign)
//	  keys/rotations           proofs of the keys before it, whose signatures still count
//	  store/                   packs of chunks (package store)
//	  masters/NAME/000001/     a version: the rename of this folder into place is its one commit
//	    manifest               encoded (package manifest)
//	    names                  encoded names table
//	    signature.json         who signed which hash
//	  masters/NAME/about       signed: channels, notes, numbers that were forgotten
//
// Guaranteed: a version that List returns was complete and durable when it was published, and is never changed; Open
// and Manifest return only what a trusted key has signed, to the last byte. A crash at any moment leaves the versions
// there were, or one more or less; besides that only chunks that nothing names. A channel points at what it pointed at, or
// at what it was told to. A version that somebody needs is not forgotten. Not guaranteed: that every chunk is still sound
// on its medium; reading finds out, and says which.
package masters
