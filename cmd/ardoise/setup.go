package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/doctor"
	"github.com/ardoise/ardoise/masters/durable"
)

// setup is how this daemon was started, and what it lives with.
func (s *site) setup() access.Setup {
	var out access.Setup
	if s.console != nil {
		out.Console = s.consoleSetup()
	}
	if o := &s.o.console; o.issuer != "" {
		out.OIDC = &access.OIDCSetup{Issuer: o.issuer, Client: o.client, Redirect: strings.TrimSuffix(o.url, "/") + redirectPath, Name: o.name,
			Claim: o.claim, Roles: map[string]string{}}
		roles, places, err := o.mapped()
		if err != nil {
			s.log.Error("reading the roles of the provider", "error", err) // they were read at the start
		}
		for value, role := range roles {
			out.OIDC.Roles[value] = string(role)
			if len(places[value]) > 0 {
				out.OIDC.Roles[value] += ": " + strings.Join(places[value], ", ")
			}
		}
	}
	if s.o.boot != noBoot {
		out.Boot = &access.BootSetup{Folder: s.o.boot}
		var err error
		if out.Boot.Kernel, out.Boot.Packages, err = doctor.BootVersions(s.o.boot); err != nil {
			out.Boot.Trouble = err.Error()
		}
		if two, err := s.stage2.Current(); err == nil {
			out.Boot.StageTwo = two.Hash
		} else {
			out.Boot.Trouble = cmp.Or(out.Boot.Trouble, err.Error())
		}
	}
	last, err := lastBackup(s.o.data)
	if err != nil {
		s.log.Warn("reading when the last backup was made", "error", err)
	}
	out.Backup = last
	return out
}

// consoleSetup says with which certificate browsers find the console now.
func (s *site) consoleSetup() *access.ConsoleSetup {
	out := &access.ConsoleSetup{Address: s.consoleAddress(), Files: s.o.console.cert != "", Cert: s.o.console.cert, Names: []string{}}
	leaf, err := s.consoleLeaf()
	if err != nil {
		out.Trouble = err.Error()
		return out
	}
	out.Names = append(out.Names, leaf.DNSNames...)
	for _, a := range leaf.IPAddresses {
		if name := a.String(); !slices.Contains(out.Names, name) {
			out.Names = append(out.Names, name)
		}
	}
	out.Issuer, out.Expires = cmp.Or(leaf.Issuer.CommonName, leaf.Issuer.String()), leaf.NotAfter.UTC()
	return out
}

// lastBackupName is the file in the data folder that says when it was last backed up, and where to.
const lastBackupName = "last-backup.json"

// lastBackup is the last backup of a data folder; nil where none was made.
func lastBackup(data string) (*access.BackupSetup, error) {
	raw, err := durable.ReadFile(durable.OS(), filepath.Join(data, lastBackupName), 64<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &access.BackupSetup{}
	if err := json.Unmarshal(raw, out); err != nil {
		return nil, err
	}
	return out, nil
}

// noteBackup keeps in the data folder that it was backed up. Who runs the command is often root: the file is made the daemon's.
func noteBackup(data string, b access.BackupSetup) error {
	raw, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(data, lastBackupName)
	if err := durable.WriteFile(durable.OS(), path, append(raw, '\n')); err != nil {
		return err
	}
	info, err := os.Stat(data)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		return os.Lchown(path, int(st.Uid), int(st.Gid))
	}
	return nil
}
