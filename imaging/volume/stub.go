package volume

func isExt([]byte, int64) bool                { return false }
func readExt(*pager, []byte) (*Layout, error) { return nil, nil }
func extHeads(size int64) []Extent            { return nil }
func isFAT([]byte, int64) bool                { return false }
func readFAT(*pager, []byte) (*Layout, error) { return nil, nil }
