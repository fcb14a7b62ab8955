# The product alone: a FreeSWITCH is another container, reached by FREESWITCH_URLS and a shared SPOOL_DIR.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without the packages' scripts: better-sqlite3 brings its binary along, and a second Node is not needed here.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 DATA_DIR=/data SPOOL_DIR=/var/spool/sautikit
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY api ./api
COPY cli ./cli
COPY engine ./engine
COPY recordings ./recordings
# `sautikit …` for operators: docker compose exec api sautikit doctor
RUN ln -s /app/cli/sautikit.ts /usr/local/bin/sautikit \
  && install -d -o node -g node -m 700 /data /var/spool/sautikit
USER node
VOLUME ["/data", "/var/spool/sautikit"]
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.METRICS_PORT || process.env.PORT || 8080) + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "cli/sautikit.ts", "start"]
