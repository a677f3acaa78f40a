package apiaddress

import "context"

// Step looks at the addresses once.
func (k *Keeper) Step(ctx context.Context) error {
	_, err := k.keep(ctx)
	return err
}
