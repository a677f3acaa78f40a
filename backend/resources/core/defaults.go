package core

// setDefault fills in an empty value.
func setDefault[T comparable](p *T, value T) {
	var empty T
	if *p == empty {
		*p = value
	}
}

// setDefaultPointer fills in a missing value.
func setDefaultPointer[T any](p **T, value T) {
	if *p == nil {
		*p = &value
	}
}
