package pages

import "context"

// draftKey gives the key that seals drafts of the user who is logged in, to the
// scripts of a page: it is in no page and in no address.
func draftKey(_ context.Context, c *Call) (*Answer, error) {
	if c.Prefs == nil {
		return nil, notServed(c.R.Path)
	}
	key, err := c.Prefs.DraftKey(c.Session.User.Name)
	if err != nil {
		return nil, err
	}
	return &Answer{Raw: key, Type: "application/octet-stream"}, nil
}
