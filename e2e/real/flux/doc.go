// Package flux is where the controllers of Flux (https://fluxcd.io), 2.9, are
// pinned as tools of their own module.
package flux
