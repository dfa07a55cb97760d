package access

import (
	"time"

	"github.com/ardoise/ardoise/fleet/people"
)

// Setup is how the daemon was started, and what it lives with: what is set by flags and files, not in the console. A part that is
// nil is off, or nobody knows.
type Setup struct {
	Console *ConsoleSetup `json:"console,omitempty"`
	OIDC    *OIDCSetup    `json:"oidc,omitempty"`
	Boot    *BootSetup    `json:"boot,omitempty"`
	Backup  *BackupSetup  `json:"backup,omitempty"`
}

// ConsoleSetup is where the console is, and with which certificate.
type ConsoleSetup struct {
	Address string    `json:"address"` // as people write it
	Files   bool      `json:"files"`   // its certificate comes from --console-cert; else the site's own authority made it
	Cert    string    `json:"cert,omitempty"`
	Names   []string  `json:"names"` // and addresses that the certificate is for
	Issuer  string    `json:"issuer"`
	Expires time.Time `json:"expires"`
	Trouble string    `json:"trouble,omitempty"` // why the certificate cannot be read
}

// OIDCSetup is how people sign in with an account of the school's.
type OIDCSetup struct {
	Issuer   string            `json:"issuer"`
	Client   string            `json:"client"`
	Redirect string            `json:"redirect"` // where the provider sends people back to
	Name     string            `json:"name,omitempty"`
	Claim    string            `json:"claim,omitempty"`
	Roles    map[string]string `json:"roles,omitempty"` // by value of the claim; none: roles are given in the console
}

// BootSetup is the boot environment that PCs start.
type BootSetup struct {
	Folder   string   `json:"folder"`
	Kernel   string   `json:"kernel,omitempty"`
	Packages []string `json:"packages,omitempty"` // the signed loaders, with their versions
	StageTwo string   `json:"stage_two"`          // BLAKE3-256 of what agents fetch
	Trouble  string   `json:"trouble,omitempty"`  // why its description cannot be read
}

// BackupSetup is the last backup that was made of this data folder.
type BackupSetup struct {
	At       time.Time `json:"at"`
	File     string    `json:"file"`
	Bytes    int64     `json:"bytes"`
	Versions int       `json:"versions"` // of masters, without their chunks
}

// Setup says how the daemon was started, and what it lives with.
func (d Desk) Setup() (Setup, error) {
	if err := d.mayWhole(people.ActionSettings, "setup"); err != nil || d.h.Setup == nil {
		return Setup{}, err
	}
	return d.h.Setup(), nil
}
