# etcd in a laboratory in namespaces: a member on each host, on a network of its
# own; source it after lab.sh and move.sh.
#
#	etcd_up			wire, begin and wait for three members
#	etcd_policies		both sites' policies keep their registers there
#	etcd_begin HOST		its member; its process: $WORK/HOST/etcd.pid
#	etcd_end HOST		SIGKILL
#	etcd_registered HOST 'OWNER EPOCH'	etcd_register HOST	as it says

etcd_member() { echo "10.9.$(lab_number "$1").10"; }
etcd_url() { echo "http://$(etcd_member "$1"):$2"; }
etcd_wired() { # HOST
	etcd_net=10.9.$(lab_number "$1")
	ip link add "e-$1" type veth peer name etcd netns "$(cat "$WORK/lab/$1.pid")" &&
	    ip addr add "$etcd_net.1/24" dev "e-$1" && ip link set "e-$1" up &&
	    lab_on "$1" ip addr add "$etcd_net.10/24" dev etcd &&
	    lab_on "$1" ip link set etcd up &&
	    lab_on "$1" ip route add 10.9.0.0/16 via "$etcd_net.1"
}
etcd_begin() { # HOST
	etcd_cluster=
	for etcd_host in $LAB_HOSTS; do
		etcd_cluster=$etcd_cluster${etcd_cluster:+,}$etcd_host=$(etcd_url "$etcd_host" 2380)
	done
	(lab_in "$1" etcd --name "$1" --data-dir "$WORK/$1/etcd" \
	    --listen-client-urls "$(etcd_url "$1" 2379)" \
	    --advertise-client-urls "$(etcd_url "$1" 2379)" \
	    --listen-peer-urls "$(etcd_url "$1" 2380)" \
	    --initial-advertise-peer-urls "$(etcd_url "$1" 2380)" \
	    --initial-cluster "$etcd_cluster" --initial-cluster-token "$WORK" \
	    --heartbeat-interval 50 --election-timeout 500 --logger zap \
	    >>"$WORK/$1/etcd.log" 2>&1 </dev/null) &
	echo $! >"$WORK/$1/etcd.pid"
}
etcd_end() { # HOST
	kill -KILL "$(cat "$WORK/$1/etcd.pid")" 2>/dev/null
	wait "$(cat "$WORK/$1/etcd.pid")" 2>/dev/null
}
# What a majority has, asked of that member: owner and epoch; nothing yet is no error.
etcd_register() { # HOST
	python3 - "$(etcd_member "$1")" <<'END' 2>/dev/null
import base64, http.client, json, sys
conn = http.client.HTTPConnection(sys.argv[1], 2379, timeout=2)
key = base64.b64encode(b"/bascule/authority/counter").decode()
conn.request("POST", "/v3/kv/range", json.dumps({"key": key}))
for kv in json.load(conn.getresponse()).get("kvs", []):
    r = json.loads(base64.b64decode(kv["value"]))
    print(r["owner"], r["epoch"])
END
}
etcd_registered() { [ "$(etcd_register "$1")" = "$2" ]; }
etcd_up() {
	echo 1 >/proc/sys/net/ipv4/ip_forward
	for etcd_one in $LAB_HOSTS; do
		mkdir -p "$WORK/$etcd_one"
		etcd_wired "$etcd_one" && etcd_begin "$etcd_one" || return
		remember "$(cat "$WORK/$etcd_one/etcd.pid")"
	done
	wait_for 30 etcd_register brent
}
etcd_policies() {
	etcd_urls=
	for etcd_host in $LAB_HOSTS; do
		etcd_urls="$etcd_urls${etcd_urls:+, }\"$(etcd_url "$etcd_host" 2379)\""
	done
	for etcd_site in brent southwark; do
		sed -i "s|authority = \"manual\";|authority = \"etcd\"; etcd = { endpoints = [ $etcd_urls ]; lease = \"4s\"; timeout = \"2s\"; };|" \
		    "$WORK/$etcd_site/bascule.conf"
	done
}
