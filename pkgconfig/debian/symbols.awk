# From the version map to the symbols file: a symbol is there since the first release of its node (QLOADER_0.1: 0.1.0).
BEGIN {
    print "libqloader.so.0.1 libqloader0.1 #MINVER#"
    print "* Build-Depends-Package: libqloader-dev"
}
/^QLOADER_[0-9.]+ *\{/ { node = $1; since = substr(node, 9) ".0"; print " " node "@" node " " since }
/^ +ql_[a-z0-9_]+;/ { sub(/;/, "", $1); print " " $1 "@" node " " since }
