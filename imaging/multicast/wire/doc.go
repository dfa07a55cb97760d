// Package wire holds what goes over the network in a session: packets and their sealing, parity, the indexes of
// generations, and the messages of the control channel.
//
// Sources: the protocol is ours (DESIGN.md of imaging/multicast). AES-128-GCM is NIST SP 800-38D, the key derivation
// RFC 5869 (HKDF) with SHA-256, the hash BLAKE3. Parity is a systematic Cauchy code (Bloemer et al., "An XOR-based
// erasure-resilient coding scheme", 1995, section 3) over GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1:
// symbol s >= 128 of a block is the sum over its sources c of symbol c divided by (s xor c).
//
// A packet is 1,448 bytes of UDP payload, integers big-endian:
//
//	offset  size
//	     0     1  version 0 in the upper four bits, kind in the lower: 0 source, 1 parity, 2 probe
//	     1     1  stream: 0 fast, 1 slow
//	     2     2  generation
//	     4     4  session
//	     8     4  block
//	    12     1  symbol: 0 ..= 127 source, 128 ..= 254 parity
//	    13     1  source symbols of this block - 1
//	    14     2  interval: counts the sender's report intervals
//	    16     8  sequence in this stream, from 1; never twice under one key
//	    24  1408  symbol, encrypted
//	  1432    16  tag of AES-128-GCM; bytes 0 ..< 24 are authenticated with it
//
// A generation is its index and its data, in blocks of 128 symbols; the index comes first, in blocks of its own:
//
//	block    0 ... IndexBlocks-1        IndexBlocks ...          Blocks-1
//	         |128|128| .. |1-128|       |128|128| ..            |1-128|
//	         index: bundle (generation 0)   data: frames of the plan, end to end;
//	         or plan                        generation 0 has none
//
// Guaranteed: Opener returns a packet only if somebody who knows the session's key made it and it was not returned
// before. Parsers take any bytes and allocate in proportion to what they are given.
// Not guaranteed: that a packet comes from the server: everybody in the session knows the key. What was assembled from
// packets is proven by hash, never by having arrived.
package wire
