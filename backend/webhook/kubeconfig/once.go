package kubeconfig

import "context"

// PostOnce sends a body a single time, for who repeats it by rules of its own.
// What is answered does not matter as long as it is a success.
func (c *Client) PostOnce(ctx context.Context, body []byte) error {
	return c.try(ctx, body, func([]byte) error { return nil })
}

// CloseIdle ends connections that are not in use.
func (c *Client) CloseIdle() { c.client.CloseIdleConnections() }
