package job

// Inventory is what the agent sees of its computer. All strings come from firmware and drives: hostile input, at most
// 255 characters each.
type Inventory struct {
	UUID         string // SMBIOS type 1, as Linux prints it (little-endian first fields)
	Serial       string
	BoardSerial  string
	Manufacturer string
	Model        string
	Firmware     string // vendor, version, date
	UEFI         bool
	SecureBoot   bool
	TPM          string // "", "1.2" or "2.0"
	CPU          string
	Cores        int
	MemoryBytes  int64
	Disks        []Disk
	NICs         []NIC
}

// Disk is one whole disk as the agent sees it.
type Disk struct {
	Path       string // /dev/nvme0n1
	Size       int64  // bytes
	SectorSize int    // logical, bytes
	Model      string
	Serial     string
	Bus        string // nvme, sata, scsi, usb, mmc, virtio, other
	Rotational bool
	Removable  bool
	ReadOnly   bool
	Health     *DiskHealth `json:",omitempty"` // in an inventory; nil: the drive says nothing, or was not asked
}

// NIC is one network interface.
type NIC struct {
	Name      string
	MAC       string
	Driver    string
	SpeedMbit int // 0 when unknown
	Link      bool
	Boot      bool // the interface the computer booted from
}

// DiskRule chooses one disk of a computer. Zero fields do not restrict; removable and read-only disks never match, USB
// only when Bus says so. A task stops when the rule does not match exactly one disk.
type DiskRule struct {
	MinSize int64  `json:",omitempty"` // bytes
	MaxSize int64  `json:",omitempty"` // bytes
	Bus     string `json:",omitempty"`
	Model   string `json:",omitempty"` // substring, case ignored
	Serial  string `json:",omitempty"` // whole
}
