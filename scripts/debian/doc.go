// Package debian takes packages from a Debian release other than the host's, without installing them.
//
// The boot environment comes from Debian 13 on whatever Debian the builder runs. So apt is asked through a state of its
// own: sources, indexes, cache and an empty dpkg status lie under one folder of the build cache, and nothing of the host
// is touched. The mirror is the one the host's apt already uses, and its proxy settings stay in force.
//
//	host's apt --mirror--> own sources.list --apt-get update--> InRelease --gpgv, Debian's keyring--> Packages --SHA256--> .deb
//
// scripts/debian.lock names the version and SHA-256 of every package that was last tried. A locked version that is
// still served is taken and its hash checked against the lock. One that is gone (point release, security update) is
// replaced by what the release serves now, whose signature apt has checked, and a notice says so.
//
// Guaranteed: every byte handed out was covered by a signature of Debian's archive keys, or by a hash in the lock. A
// second run with the same lock opens no connection. Not guaranteed: that a locked version can still be had in a year;
// mirrors keep only the newest of each suite.
//
// Sources: apt-get(8), apt.conf(5), apt-secure(8), deb-control(5), dpkg-deb(1).
package debian
