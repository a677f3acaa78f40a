// Package certmanager is where the programs of cert-manager
// (https://cert-manager.io) are pinned as tools of their own module: of the last
// release line whose commands are in a module that can be downloaded.
package certmanager
