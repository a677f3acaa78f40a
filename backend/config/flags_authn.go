package config

import "github.com/spf13/pflag"

// Authn is how callers prove who they are.
type Authn struct {
	ClientCAFile  string
	TokenAuthFile string
	Anonymous     bool
}

func (o *Authn) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.ClientCAFile, "client-ca-file", "", "File with certificate authorities of client certificates, besides the server's own.")
	fs.StringVar(&o.TokenAuthFile, "token-auth-file", "", "CSV file of bearer tokens: token, user name, user uid and, quoted, the groups.")
	fs.BoolVar(&o.Anonymous, "anonymous-auth", true, "Lets requests without credentials in as system:anonymous, in the group system:unauthenticated.")
}

func (o *Authn) check() error { return nil }
