// Command oidcprovider is an OpenID Connect provider for the browser tests. It
// writes its certificate to the file of -ca, prints its issuer, and ends with its
// standard input.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"pilothouse/backend/authn/oidc/oidctest"
)

func main() {
	ca := flag.String("ca", "", "the file for the certificate")
	flag.Parse()
	if err := run(*ca); err != nil {
		fmt.Fprintln(os.Stderr, "oidcprovider:", err)
		os.Exit(1)
	}
}

func run(ca string) error {
	p, err := oidctest.New(oidctest.Options{ClientID: "dashboard", Users: map[string][]string{"ann": {"dev"}, "bob": {}}})
	if err != nil {
		return err
	}
	defer p.Close()
	if err := os.WriteFile(ca, p.CA(), 0o600); err != nil {
		return err
	}
	fmt.Println(p.Issuer())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
