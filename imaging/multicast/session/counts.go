package session

// Counts returns what was done so far, for people: Left, Reason and Seconds are known only when Run ends.
func (c *Client) Counts() Summary { return c.summary(0, "") }
