// Package sign holds the keys that vouch for manifests, tasks and grants: Ed25519 (RFC 8032), pure, without a prehash.
//
// What is signed is always bound to what it is, so that a signature of one kind of document is none of another:
//
//	context, 0x00, payload          "ardoise manifest 1", 0x00, 32 bytes of the manifest's hash
//
// A key lies in a file of its own, mode 0600, as PEM of PKCS #8 (RFC 5958, RFC 8410): openssl pkey reads it. Public
// keys travel as base64 of their 32 bytes.
//
// Guaranteed: Create never replaces a key and returns only once the file is durable; Load refuses a file that others
// may read. Not guaranteed: anything about who can read the folder's backups.
package sign
