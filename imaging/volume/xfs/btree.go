package xfs

// shape is what tells the b-trees of a group apart.
type shape struct {
	name  string
	magic string
	rec   int // bytes of a record
	key   int // bytes of a key in a node
}

func (v *Volume) shape(name, v4, v5 string, rec, key int) shape {
	if v.v5 {
		v4 = v5
	}
	return shape{name: name, magic: v4, rec: rec, key: key}
}

func (v *Volume) freeByPlace() shape { return v.shape("free space by place", "ABTB", "AB3B", 8, 8) }

func (v *Volume) freeBySize() shape { return v.shape("free space by size", "ABTC", "AB3C", 8, 8) }

func (v *Volume) inodeTree() shape { return v.shape("inodes", "IABT", "IAB3", 16, 4) }

func (v *Volume) freeInodeTree() shape { return v.shape("free inodes", "FIBT", "FIB3", 16, 4) }

// reverseMap has keys for the lowest and the highest record below each pointer.
func (v *Volume) reverseMap() shape { return v.shape("reverse mappings", "", "RMB3", 24, 40) }

func (v *Volume) refCounts() shape { return v.shape("reference counts", "", "R3FC", 12, 4) }

// maxLevels is more than any b-tree of a group can have.
const maxLevels = 12

// walk gives the records of a b-tree in order.
func (v *Volume) walk(group uint64, t tree, s shape, own Own, record func(rec []byte) error) error {
	if t.levels == 0 {
		return nil
	}
	if t.levels > maxLevels {
		return damaged("the b-tree of %s of group %d has %d levels", s.name, group, t.levels)
	}
	return v.node(group, t.root, int(t.levels)-1, s, own, record)
}

// node walks one block of a b-tree: a header, then records, or keys and, behind the place for all keys, pointers.
func (v *Volume) node(group, block uint64, level int, s shape, own Own, record func(rec []byte) error) error {
	if block >= v.groupBlocks(group) {
		return damaged("the b-tree of %s of group %d points outside it", s.name, group)
	}
	linear := group*v.groupSize + block
	if err := own(linear, 1); err != nil {
		return err
	}
	b := make([]byte, v.BlockSize)
	if err := v.read(b, linear); err != nil {
		return err
	}
	header := 16
	if v.v5 {
		header = 56
		if !sumHolds(b, 52) || be64(b, 16) != v.sectors(linear) || !v.ours(b[32:48]) || uint64(be32(b, 48)) != group {
			return damaged("a block of the b-tree of %s of group %d is not its own", s.name, group)
		}
	}
	count, body := int(be16(b, 6)), b[header:]
	if string(b[:4]) != s.magic || int(be16(b, 4)) != level {
		return damaged("a block of the b-tree of %s of group %d is not understood", s.name, group)
	}
	if level == 0 {
		if count*s.rec > len(body) {
			return damaged("a block of the b-tree of %s of group %d is too full", s.name, group)
		}
		for i := range count {
			if err := record(body[i*s.rec:][:s.rec]); err != nil {
				return err
			}
		}
		return nil
	}
	places := len(body) / (s.key + 4)
	if count > places {
		return damaged("a block of the b-tree of %s of group %d is too full", s.name, group)
	}
	for i := range count {
		if err := v.node(group, uint64(be32(body, places*s.key+4*i)), level-1, s, own, record); err != nil {
			return err
		}
	}
	return nil
}

// sectors is the place of a linear block in sectors of 512 bytes, as headers of version 5 say it.
func (v *Volume) sectors(linear uint64) uint64 { return linear * uint64(v.BlockSize/512) }
