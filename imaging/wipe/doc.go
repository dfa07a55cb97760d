// Package wipe destroys everything that a disk holds and says what of that can be certified.
//
// A drive that can erase itself reaches what no write reaches: spare blocks, sectors that were replaced. So that comes first;
// what the drive reports is then held against the medium. Only a drive that cannot is overwritten, and read back whole.
//
//	look --> Begin --> first and last MiB zeroed, flush          nothing starts from this disk any more
//	  --> witnesses: 64 KiB at up to 256 random places, every other one written with random bytes of ours
//	  --> NVMe  Sanitize: block erase, crypto erase; Format with secure erase: user data, crypto
//	      ATA   SANITIZE DEVICE: block erase, crypto scramble, overwrite; SECURITY ERASE UNIT: enhanced, normal
//	        --> reported complete --> no 4 KiB of a witness is as it was --> first and last MiB zeroed --> proof
//	                                  one is: the drive lied, no certificate
//	  --> overwrite: zeros, flush, caches dropped, every byte read --> proof
//
// Sources: NVM Express base specification 2.0, 5.14 (Format NVM), 5.17 (Identify), 5.24 (Sanitize), 5.16.1.25 (Sanitize
// Status); ACS-4, 7.13 (IDENTIFY DEVICE), 7.36 (SANITIZE DEVICE), 7.43 to 7.48 (SECURITY), 7.1 (Accessible Max Address);
// ACS-2, 7.34 (READ NATIVE MAX ADDRESS) and 7.10 (DEVICE CONFIGURATION IDENTIFY); NIST SP 800-88 for what the methods are
// called.
//
// Guaranteed: nothing is changed before Begin has returned nil; a proof without Refused names what the drive reported
// complete and what was read back since, and names overwriting what it is. A drive that says complete while old bytes are
// read from it has no proof, whatever was ordered. Other namespaces of a controller are never erased: what would do so is
// not used. Not guaranteed: that a drive which reports an erasure has erased what nobody can address; the certificate says
// that the drive says so.
//
// A power cut ends an overwrite, which begins anew; a sanitize goes on by itself in the drive, and the next Run waits for
// it. A drive that lost its power during SECURITY ERASE UNIT is locked by the password "ardoise", with which the next Run
// goes on, and anybody else can, too.
package wipe
