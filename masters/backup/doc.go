// Package backup seals the small files that make a box the one it is, under a passphrase: authority, signing key,
// database, masters without their chunks.
//
// The file, integers little-endian:
//
//	size
//	   8  magic "ARDBACK0"
//	   4  format version: 1
//	   4  iterations of PBKDF2 (RFC 8018, HMAC-SHA-256)
//	  32  salt, random
//	   n  segments: 65536 bytes of content, the last one 0 ..= 65536, each with the 16 bytes of its AES-256-GCM tag
//
//	key   = PBKDF2(passphrase, salt, iterations, 32 bytes)
//	nonce = number of the segment (8), zero (3), 1 for the last segment, else 0
//	also authenticated with each segment: the 48 bytes before the first
//
// The content is a tar archive (POSIX.1-2001). The key is used for this file only, since the salt is fresh; the flag in
// the last nonce makes a file that was cut short, or made longer, unreadable.
//
//	restore   DIR/.restoring/ made  -->  files written there, synced  -->  last segment proven
//	          -->  each moved to DIR  -->  DIR/.restoring removed
//
// Guaranteed: without the passphrase nothing is learnt but sizes; nothing that was altered is restored; while
// DIR/.restoring stands the folder is not a data folder (masters.Open refuses it), so that half a restore is never
// served; restoring again begins anew; a file that this program does not know is named, and then nothing is restored. Not
// guaranteed: that a short passphrase withstands who has the file for years: that is what the iterations are against, a
// second each.
package backup
